import { useState, type ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link, useRoute } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { Cover } from '../ui/cover.tsx';
import { TextField } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { Empty, FailureNotice, Shown } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';

export function PlaylistsPage(): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const { go } = useRoute();
  const [name, setName] = useState('');
  const playlists = useLoaded('playlists', (signal) => api.playlists(signal));
  const { busy, failure, run } = useAction();
  return (
    <Page title={t('playlists.title')}>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = name.trim();
          if (wanted === '') return;
          run(async (signal) => {
            const { value } = await api.createPlaylist(wanted, signal);
            go(pathTo('playlist', { id: value.id }));
          });
        }}
      >
        <TextField
          label={t('playlists.new')}
          value={name}
          maxLength={120}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" look="main" icon="add" busy={busy}>
          {t('playlists.create')}
        </Button>
      </form>
      <FailureNotice failure={failure} />
      <Shown loading={playlists}>
        {(entries) =>
          entries.length === 0 ? (
            <Empty icon="list" title={t('playlists.empty.title')} text={t('playlists.empty.text')} />
          ) : (
            <ul className="cards">
              {entries.map((entry) => (
                <li key={entry.id}>
                  <Link to={pathTo('playlist', { id: entry.id })} className="card">
                    <Cover seed={entry.id} />
                    <span>
                      <span className="card-title">{entry.name}</span>
                      <span className="muted">
                        {t(entry.visibility === 'public' ? 'playlist.public' : 'playlist.private')}
                      </span>
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </Page>
  );
}
