import type { ReactNode } from 'react';
import { useSpeech } from '../services.tsx';
import { Page } from '../ui/page.tsx';

/** After the account was deleted. */
export function FarewellPage(): ReactNode {
  const { t } = useSpeech();
  return (
    <Page title={t('me.delete.done.title')} narrow>
      <p role="status">{t('me.delete.done.text')}</p>
    </Page>
  );
}
