import type { ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link } from '../router.tsx';
import { useSpeech } from '../services.tsx';
import { Icon } from '../ui/icons.tsx';
import { Page } from '../ui/page.tsx';

/** The start page of somebody who is not logged in. */
export function WelcomePage(): ReactNode {
  const { t } = useSpeech();
  return (
    <Page title={t('welcome.title')} intro={t('welcome.text')} narrow>
      <div className="actions actions-start">
        <Link to={pathTo('register')} className="button button-main">
          {t('welcome.register')}
        </Link>
        <Link to={pathTo('login')} className="button button-plain">
          {t('welcome.login')}
        </Link>
      </div>
      <ul className="points">
        {(['welcome.point.open', 'welcome.point.yours', 'welcome.point.quiet'] as const).map((key) => (
          <li key={key}>
            <Icon name="check" />
            {t(key)}
          </li>
        ))}
      </ul>
    </Page>
  );
}
