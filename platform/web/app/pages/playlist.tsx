import { useState, type ReactNode } from 'react';
import type { Versioned } from '../api.ts';
import type { Playlist, Track } from '../contracts.ts';
import { failureOf } from '../failure.ts';
import { pathTo } from '../paths.ts';
import { useRoute } from '../router.tsx';
import { usePersonId, useServices, useSpeech } from '../services.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { Confirm } from '../ui/confirm.tsx';
import { Page } from '../ui/page.tsx';
import { Empty, FailureNotice, Notice, Shown } from '../ui/states.tsx';
import { TrackRow } from '../ui/track-row.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded, type Loading } from '../use-loaded.ts';
import { PlaylistSettings } from './playlist-settings.tsx';

export function PlaylistPage({ id }: { readonly id: string }): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const playlist = useLoaded(`playlist/${id}`, (signal) => api.playlist(id, signal));
  const { loaded } = playlist;
  return (
    <Page title={loaded.state === 'there' ? loaded.value.value.name : t('playlists.title')}>
      <Shown loading={playlist}>{(versioned) => <Entries loading={playlist} {...versioned} />}</Shown>
    </Page>
  );
}

type EntriesProps = Versioned<Playlist> & { readonly loading: Loading<Versioned<Playlist>> };

function Entries({ value: playlist, etag, loading }: EntriesProps): ReactNode {
  const { t } = useSpeech();
  const { api, player } = useServices();
  const { go } = useRoute();
  const [open, setOpen] = useState<'rename' | 'delete' | null>(null);
  const [changed, setChanged] = useState(false);
  const { failure, run } = useAction();
  const mine = usePersonId() === playlist.owner.id;
  const { tracks } = playlist;

  /** Changes what was read; when it is not that any more, shows what it is instead. */
  const change = (next: readonly Track[]): void =>
    run(async (signal) => {
      setChanged(false);
      try {
        const saved = await api.setTracks(
          playlist.id,
          etag,
          next.map((track) => track.id),
          signal,
        );
        loading.set({ value: { ...playlist, tracks: [...next] }, etag: saved.etag });
      } catch (error) {
        if (failureOf(error).status !== 412) throw error;
        setChanged(true);
        loading.reload();
      }
    });
  const moved = (from: number, to: number): Track[] => {
    const next = [...tracks];
    next.splice(to, 0, ...next.splice(from, 1));
    return next;
  };

  return (
    <>
      <p className="muted">{t(playlist.visibility === 'public' ? 'playlist.public' : 'playlist.private')}</p>
      <div className="actions actions-start">
        {tracks.length > 0 && (
          <Button look="main" icon="play" onClick={() => player.play(tracks, 0)}>
            {t('playlist.play')}
          </Button>
        )}
        {mine && (
          <>
            <Button onClick={() => setOpen('rename')}>{t('playlist.rename')}</Button>
            <Button look="danger" icon="trash" onClick={() => setOpen('delete')}>
              {t('playlist.delete')}
            </Button>
          </>
        )}
      </div>
      <FailureNotice failure={failure} />
      <Notice>{changed ? t('playlist.changed') : null}</Notice>
      {tracks.length === 0 ? (
        <Empty icon="list" title={t('playlist.empty.title')} text={t('playlist.empty.text')} />
      ) : (
        <ol className="tracks" aria-label={t('track.list')}>
          {tracks.map((track, index) => (
            <TrackRow
              // The same track may be in a list twice.
              // oxlint-disable-next-line react/no-array-index-key
              key={`${track.id}/${index}`}
              track={track}
              queue={tracks}
              actions={
                mine && (
                  <>
                    <IconButton
                      icon="up"
                      label={t('playlist.up', { title: track.title })}
                      disabled={index === 0}
                      onClick={() => change(moved(index, index - 1))}
                    />
                    <IconButton
                      icon="down"
                      label={t('playlist.down', { title: track.title })}
                      disabled={index === tracks.length - 1}
                      onClick={() => change(moved(index, index + 1))}
                    />
                    <IconButton
                      icon="close"
                      label={t('playlist.remove', { title: track.title })}
                      onClick={() => change(tracks.toSpliced(index, 1))}
                    />
                  </>
                )
              }
            />
          ))}
        </ol>
      )}
      {open === 'rename' && (
        <PlaylistSettings
          playlist={playlist}
          save={async (settings, signal) => {
            const saved = await api.savePlaylist(playlist.id, etag, settings, signal);
            loading.set({ value: { ...playlist, ...saved.value }, etag: saved.etag });
          }}
          onClose={() => setOpen(null)}
        />
      )}
      {open === 'delete' && (
        <Confirm
          title={t('playlist.delete')}
          text={t('playlist.delete.sure', { name: playlist.name })}
          onClose={() => setOpen(null)}
          action={async (signal) => {
            await api.deletePlaylist(playlist.id, etag, signal);
            go(pathTo('playlists'));
          }}
        />
      )}
    </>
  );
}
