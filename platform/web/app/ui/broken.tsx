import { Component, type ReactNode } from 'react';
import { useSpeech } from '../services.tsx';
import { Button } from './button.tsx';
import { Page } from './page.tsx';

/**
 * When a page cannot be drawn: most likely a part of it could not be fetched, because the network is away or because the
 * page has been open for longer than its assets are kept. Player and navigation stay.
 */
export class Broken extends Component<{ readonly children: ReactNode }, { readonly broken: boolean }> {
  override readonly state = { broken: false };

  static getDerivedStateFromError(): { readonly broken: boolean } {
    return { broken: true };
  }

  override render(): ReactNode {
    return this.state.broken ? <LoadAgain /> : this.props.children;
  }
}

function LoadAgain(): ReactNode {
  const { t } = useSpeech();
  return (
    <Page title={t('app.broken.title')} intro={t('app.broken.text')} narrow>
      <Button look="main" onClick={() => location.reload()}>
        {t('app.broken.reload')}
      </Button>
    </Page>
  );
}
