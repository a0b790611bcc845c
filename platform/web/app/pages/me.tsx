import { useState, type ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { useRoute } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { Page } from '../ui/page.tsx';
import { FailureNotice, Shown } from '../ui/states.tsx';
import { TrackRow } from '../ui/track-row.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';
import { DeleteAccount, ExportData } from './my-data.tsx';
import { ProfileForm } from './profile-form.tsx';

const SHOWN = 10;

/** Profile, history, data: everything that is about the person. */
export function MePage(): ReactNode {
  const { t } = useSpeech();
  return (
    <Page title={t('me.title')} aside={<LogOut />}>
      <section aria-labelledby="profile">
        <h2 id="profile">{t('me.profile')}</h2>
        <Profile />
      </section>
      <section aria-labelledby="history">
        <h2 id="history">{t('me.history')}</h2>
        <History />
      </section>
      <section aria-labelledby="export">
        <h2 id="export">{t('me.export.title')}</h2>
        <ExportData />
      </section>
      <section aria-labelledby="delete">
        <h2 id="delete">{t('me.delete.title')}</h2>
        <DeleteAccount />
      </section>
    </Page>
  );
}

function LogOut(): ReactNode {
  const { t } = useSpeech();
  const { session } = useServices();
  const { go } = useRoute();
  const [busy, setBusy] = useState(false);
  return (
    <Button
      busy={busy}
      onClick={() => {
        setBusy(true);
        // Logged out here in any case; a service that was away ends the session by its own lifetime.
        void session
          .logOut()
          .catch(() => undefined)
          .finally(() => go(pathTo('discover')));
      }}
    >
      {t('logout.action')}
    </Button>
  );
}

function Profile(): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const account = useLoaded('account', (signal) => api.account(signal));
  const profile = useLoaded('profile', (signal) => api.profile(signal));
  const saving = useAction();
  return (
    <>
      {account.loaded.state === 'there' && (
        <p className="muted">
          {t('me.email')}: {account.loaded.value.email}
        </p>
      )}
      <Shown loading={profile}>
        {(value) => (
          <ProfileForm
            profile={value}
            busy={saving.busy}
            save={(changed) => saving.run(async (signal) => profile.set(await api.saveProfile(changed, signal)))}
          />
        )}
      </Shown>
      <FailureNotice failure={saving.failure} />
    </>
  );
}

function History(): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const history = useLoaded('history', (signal) => api.history(signal));
  return (
    <Shown loading={history}>
      {(entries) => {
        const shown = entries.slice(0, SHOWN);
        if (shown.length === 0) return <p className="muted">{t('me.history.empty')}</p>;
        const queue = shown.map(({ track }) => track);
        return (
          <ol className="tracks" aria-label={t('me.history')}>
            {shown.map(({ id, track }) => (
              <TrackRow key={id} track={track} queue={queue} />
            ))}
          </ol>
        );
      }}
    </Shown>
  );
}
