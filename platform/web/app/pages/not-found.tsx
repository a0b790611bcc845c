import type { ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link } from '../router.tsx';
import { useSpeech } from '../services.tsx';
import { Page } from '../ui/page.tsx';

export function NotFoundPage(): ReactNode {
  const { t } = useSpeech();
  return (
    <Page title={t('app.notFound.title')} intro={t('app.notFound.text')} narrow>
      <p>
        <Link to={pathTo('discover')}>{t('app.notFound.back')}</Link>
      </p>
    </Page>
  );
}
