import { useState, type ReactNode } from 'react';
import type { Track } from '../contracts.ts';
import { useServices, useSpeech } from '../services.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { FailureNotice, Notice, Shown } from './states.tsx';
import { TextField } from './field.tsx';

/** Puts a track at the end of a playlist, or of a new one. */
export function AddToPlaylist({ track, onClose }: { readonly track: Track; readonly onClose: () => void }): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const [added, setAdded] = useState<string | null>(null);
  const [name, setName] = useState('');
  const playlists = useLoaded('playlists', (signal) => api.playlists(signal));
  const { busy, failure, run } = useAction();

  const add = (id: string): void =>
    run(async (signal) => {
      const { value, etag } = await api.playlist(id, signal);
      await api.setTracks(id, etag, [...value.tracks.map((other) => other.id), track.id], signal);
      setAdded(value.name);
    });
  const create = (): void =>
    run(async (signal) => {
      const { value, etag } = await api.createPlaylist(name.trim(), signal);
      await api.setTracks(value.id, etag, [track.id], signal);
      setName('');
      setAdded(value.name);
      playlists.reload();
    });

  return (
    <Dialog title={t('playlist.add.title')} onClose={onClose}>
      <p className="muted">{track.title}</p>
      <FailureNotice failure={failure} />
      <Notice>{added === null ? null : t('playlist.add.done', { name: added })}</Notice>
      <Shown loading={playlists} rows={2}>
        {(entries) => (
          <ul className="choices">
            {entries.map((entry) => (
              <li key={entry.id}>
                <Button look="quiet" icon="list" onClick={() => add(entry.id)}>
                  {entry.name}
                </Button>
              </li>
            ))}
          </ul>
        )}
      </Shown>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() !== '') create();
        }}
      >
        <TextField
          label={t('playlists.new')}
          value={name}
          maxLength={120}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" icon="add" busy={busy}>
          {t('playlists.create')}
        </Button>
      </form>
      <div className="actions">
        <Button onClick={onClose}>{t('playlist.add.close')}</Button>
      </div>
    </Dialog>
  );
}
