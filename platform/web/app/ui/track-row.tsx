import { useState, type ReactNode } from 'react';
import type { Track } from '../contracts.ts';
import { pathTo } from '../paths.ts';
import { usePlaying } from '../player/use-player.ts';
import { Link } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { languageName } from '../songs.ts';
import { AddToPlaylist } from './add-to-playlist.tsx';
import { IconButton } from './button.tsx';
import { Cover } from './cover.tsx';

export interface TrackRowProps {
  readonly track: Track;
  /** The list that it is in: plays on after it. */
  readonly queue: readonly Track[];
  /** More buttons, after the others. */
  readonly actions?: ReactNode;
  /** Below it. */
  readonly children?: ReactNode;
}

/** A track in a list: played by its button, opened by its title. */
export function TrackRow({ track, queue, actions, children }: TrackRowProps): ReactNode {
  const speech = useSpeech();
  const { t, duration } = speech;
  const [adding, setAdding] = useState(false);
  return (
    <li className="track">
      <div className="track-cover">
        <Cover seed={track.id} />
        <PlayButton track={track} queue={queue} />
      </div>
      <div className="track-names">
        <Link to={pathTo('track', { id: track.id })} className="track-title">
          {track.title}
        </Link>
        <span className="muted">{track.artist.name}</span>
      </div>
      <div className="track-facts muted">
        <span className="track-genre">{track.genre}</span>
        <span className="track-language">{languageName(track.language, speech)}</span>
        {track.durationMs !== null && <span className="track-time">{duration(track.durationMs)}</span>}
      </div>
      <div className="track-actions">
        <IconButton icon="add" label={t('track.add', { title: track.title })} onClick={() => setAdding(true)} />
        {actions}
      </div>
      {children}
      {adding && <AddToPlaylist track={track} onClose={() => setAdding(false)} />}
    </li>
  );
}

/** Plays a track, or pauses it when it is the one that plays. */
export function PlayButton({ track, queue }: Pick<TrackRowProps, 'track' | 'queue'>): ReactNode {
  const { t } = useSpeech();
  const { player } = useServices();
  const playing = usePlaying();
  const isCurrent = playing.queue[playing.index]?.id === track.id;
  const isOn = isCurrent && (playing.status === 'playing' || playing.status === 'loading');
  return (
    <IconButton
      look="round"
      icon={isOn ? 'pause' : 'play'}
      label={t(isOn ? 'track.pause' : 'track.play', { title: track.title })}
      onClick={() => {
        if (isCurrent) player.toggle();
        else
          player.play(
            queue,
            queue.findIndex((other) => other.id === track.id),
          );
      }}
    />
  );
}
