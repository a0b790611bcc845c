import { useEffect, useState, type ReactNode } from 'react';
import { LANGUAGES, type Language } from './i18n/language.ts';
import type { MessageKey } from './i18n/messages-en.ts';
import { pathTo, type PageName } from './paths.ts';
import { PlayerBar } from './player/player-bar.tsx';
import { Link } from './router.tsx';
import { useServices, useSession, useSpeech } from './services.tsx';
import { Icon, type IconName } from './ui/icons.tsx';

interface Section {
  readonly page: PageName;
  readonly label: MessageKey;
  readonly icon: IconName;
  /** Pages below it. */
  readonly holds: readonly PageName[];
}

const SECTIONS: readonly Section[] = [
  { page: 'discover', label: 'nav.discover', icon: 'discover', holds: ['discover'] },
  { page: 'search', label: 'nav.search', icon: 'search', holds: ['search'] },
  { page: 'playlists', label: 'nav.playlists', icon: 'list', holds: ['playlists', 'playlist'] },
  { page: 'chat', label: 'nav.chat', icon: 'chat', holds: ['chat', 'room'] },
  { page: 'upload', label: 'nav.upload', icon: 'upload', holds: ['upload'] },
  { page: 'me', label: 'nav.me', icon: 'person', holds: ['me'] },
];

const NAMES: Readonly<Record<Language, string>> = { en: 'English', fr: 'Français' };

/** What stays while pages change: brand, navigation, player. */
export function Frame({ page, children }: { readonly page: PageName | null; readonly children: ReactNode }): ReactNode {
  const { t, language } = useSpeech();
  const session = useSession();
  const online = useOnline();
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const isIn = session.kind === 'in';
  return (
    <div className={isIn ? 'frame' : 'frame frame-out'}>
      <a className="skip" href="#content">
        {t('app.skip')}
      </a>
      <header className="top">
        <Link to={pathTo('discover')} className="brand">
          <Mark />
          {t('app.name')}
        </Link>
        <LanguageSwitch />
      </header>
      {isIn && (
        <nav className="nav" aria-label={t('nav.main')}>
          <ul>
            {SECTIONS.map((section) => (
              <li key={section.page}>
                <Link
                  to={pathTo(section.page)}
                  className="nav-link"
                  current={page !== null && section.holds.includes(page)}
                >
                  <Icon name={section.icon} />
                  <span>{t(section.label)}</span>
                </Link>
              </li>
            ))}
          </ul>
        </nav>
      )}
      <main id="content" className="content" tabIndex={-1}>
        <div role="status">{!online && <p className="notice">{t('app.offline')}</p>}</div>
        {children}
      </main>
      {isIn && <PlayerBar />}
    </div>
  );
}

function Mark(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M3 6l6.5 13L16 6M16 6c2 3.5 3.5 3.5 5 0" />
    </svg>
  );
}

function LanguageSwitch(): ReactNode {
  const { t, language } = useSpeech();
  const { language: choice } = useServices();
  return (
    <label className="language">
      <span className="unseen">{t('app.language')}</span>
      <select
        value={language}
        onChange={({ target: { value } }) => {
          const chosen = LANGUAGES.find((one) => one === value);
          // Its words could not be fetched: it stays as it is.
          if (chosen !== undefined) choice.choose(chosen).catch(() => undefined);
        }}
      >
        {LANGUAGES.map((one) => (
          <option key={one} value={one} lang={one}>
            {NAMES[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = (): void => setOnline(navigator.onLine);
    window.addEventListener('online', update);
    window.addEventListener('offline', update);
    return () => {
      window.removeEventListener('online', update);
      window.removeEventListener('offline', update);
    };
  }, []);
  return online;
}
