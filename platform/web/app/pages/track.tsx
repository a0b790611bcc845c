import { useState, type ReactNode } from 'react';
import type { Media, Track } from '../contracts.ts';
import { pathTo } from '../paths.ts';
import { useRoute } from '../router.tsx';
import { saveFile } from '../save-file.ts';
import { usePersonId, useServices, useSpeech } from '../services.tsx';
import { languageName } from '../songs.ts';
import { Button } from '../ui/button.tsx';
import { Confirm } from '../ui/confirm.tsx';
import { Cover } from '../ui/cover.tsx';
import { Page } from '../ui/page.tsx';
import { FailureNotice, Notice, Shown } from '../ui/states.tsx';
import { AddToPlaylist } from '../ui/add-to-playlist.tsx';
import { PlayButton } from '../ui/track-row.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';

export function TrackPage({ id }: { readonly id: string }): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const track = useLoaded(`track/${id}`, (signal) => api.track(id, signal));
  const { loaded } = track;
  return (
    <Page title={loaded.state === 'there' ? loaded.value.title : t('track.list')}>
      <Shown loading={track}>{(value) => <TrackFacts track={value} />}</Shown>
    </Page>
  );
}

function TrackFacts({ track }: { readonly track: Track }): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const { api, player } = useServices();
  const { go } = useRoute();
  const mine = usePersonId() === track.artist.id;
  const [media, setMedia] = useState<Media | null>(null);
  const [open, setOpen] = useState<'add' | 'delete' | null>(null);
  const link = useAction();
  const download = useAction();
  const ready = track.state === 'ready';
  const facts = [
    [t('track.genre'), track.genre],
    [t('track.language'), languageName(track.language, speech)],
    [t('track.length'), track.durationMs === null ? null : speech.duration(track.durationMs)],
    [t('track.size'), speech.size(track.bytes)],
    [t('track.published'), track.publishedAt === null ? null : speech.day(track.publishedAt)],
  ] as const;
  return (
    <>
      <div className="hero">
        <div className="hero-cover">
          <Cover seed={track.id} />
          {ready && <PlayButton track={track} queue={[track]} />}
        </div>
        <div>
          <p className="hero-artist">{t('track.by', { name: track.artist.name })}</p>
          <dl className="facts">
            {facts.map(
              ([name, value]) =>
                value !== null && (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                  </div>
                ),
            )}
          </dl>
          {!ready && <Notice>{t('track.uploading')}</Notice>}
        </div>
      </div>
      <FailureNotice failure={link.failure ?? download.failure} />
      <div className="actions actions-start">
        {ready && (
          <>
            <Button icon="add" onClick={() => setOpen('add')}>
              {t('playlist.add.title')}
            </Button>
            <Button
              icon="download"
              busy={download.busy}
              onClick={() =>
                download.run(async (signal) => saveFile(await api.original(track.id, signal), track.title))
              }
            >
              {t('track.download')}
            </Button>
            <Button
              icon="play"
              busy={link.busy}
              onClick={() => link.run(async () => setMedia(await api.media(track.id)))}
            >
              {t('track.hls.get')}
            </Button>
          </>
        )}
        {mine && (
          <Button look="danger" icon="trash" onClick={() => setOpen('delete')}>
            {t('track.delete')}
          </Button>
        )}
      </div>
      {media !== null && (
        <p role="status" className="notice">
          {media.hls === null ? (
            t('track.hls.none')
          ) : (
            <>
              <a href={media.hls}>{t('track.hls')}</a> {t('track.hls.text')}
            </>
          )}
        </p>
      )}
      {open === 'add' && <AddToPlaylist track={track} onClose={() => setOpen(null)} />}
      {open === 'delete' && (
        <Confirm
          title={t('track.delete')}
          text={t('track.delete.sure', { title: track.title })}
          onClose={() => setOpen(null)}
          action={async (signal) => {
            await api.deleteTrack(track.id, signal);
            if (player.current?.id === track.id) player.stop();
            go(pathTo('discover'));
          }}
        />
      )}
    </>
  );
}
