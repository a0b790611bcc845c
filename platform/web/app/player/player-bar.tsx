import { useEffect, useState, type ReactNode } from 'react';
import { failureText } from '../failure-text.ts';
import { pathTo } from '../paths.ts';
import { Link } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { IconButton } from '../ui/button.tsx';
import { Cover } from '../ui/cover.tsx';
import { Icon } from '../ui/icons.tsx';
import { usePlaying, usePosition } from './use-player.ts';

/** What plays, on every page. Not there before something was chosen. */
export function PlayerBar(): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const { player } = useServices();
  const playing = usePlaying();
  const track = playing.queue[playing.index];
  useMediaKeys();
  if (track === undefined) return null;
  const isOn = playing.status === 'playing' || playing.status === 'loading';
  return (
    <section className="player" aria-label={t('player.label')}>
      <div className="player-track">
        <Cover seed={track.id} />
        <div className="player-names">
          <Link to={pathTo('track', { id: track.id })} className="player-title">
            {track.title}
          </Link>
          <span className="muted">{track.artist.name}</span>
        </div>
      </div>
      <div className="player-main">
        <div className="player-buttons">
          <IconButton icon="previous" label={t('player.previous')} onClick={() => player.step(-1)} />
          <IconButton
            look="round"
            icon={isOn ? 'pause' : 'play'}
            label={t(isOn ? 'player.pause' : 'player.play')}
            onClick={() => player.toggle()}
          />
          <IconButton
            icon="next"
            label={t('player.next')}
            disabled={playing.queue[playing.index + 1] === undefined}
            onClick={() => player.step(1)}
          />
        </div>
        <Seek />
      </div>
      <Volume />
      <p className="player-failure" role="alert">
        {playing.failure !== null && (
          <>
            <Icon name="alert" /> {t('player.failed')} {failureText(playing.failure, speech)}
          </>
        )}
      </p>
    </section>
  );
}

function Seek(): ReactNode {
  const { t, duration } = useSpeech();
  const { player } = useServices();
  const { nowMs, totalMs } = usePosition();
  const now = duration(nowMs);
  const total = duration(totalMs);
  return (
    <div className="player-seek">
      <span className="player-time">{now}</span>
      <input
        type="range"
        min={0}
        max={Math.max(1, Math.round(totalMs))}
        step={1000}
        value={Math.min(nowMs, totalMs)}
        aria-label={t('player.seek')}
        aria-valuetext={t('player.position', { now, total })}
        onChange={(event) => player.seek(Number(event.target.value))}
      />
      <span className="player-time">{total}</span>
    </div>
  );
}

function Volume(): ReactNode {
  const { t } = useSpeech();
  const { player } = useServices();
  const [volume, setVolume] = useState(player.volume);
  return (
    <div className="player-volume">
      <Icon name="volume" />
      <input
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={volume}
        aria-label={t('player.volume')}
        onChange={(event) => {
          player.volume = Number(event.target.value);
          setVolume(player.volume);
        }}
      />
    </div>
  );
}

/** Keys of the keyboard, the headset and the lock screen. */
function useMediaKeys(): void {
  const { player } = useServices();
  const { queue, index, status } = usePlaying();
  const track = queue[index];
  useEffect(() => {
    if (!('mediaSession' in navigator) || track === undefined) return;
    navigator.mediaSession.metadata = new MediaMetadata({ title: track.title, artist: track.artist.name });
    navigator.mediaSession.playbackState = status === 'playing' ? 'playing' : 'paused';
    navigator.mediaSession.setActionHandler('play', () => player.toggle());
    navigator.mediaSession.setActionHandler('pause', () => player.toggle());
    navigator.mediaSession.setActionHandler('previoustrack', () => player.step(-1));
    navigator.mediaSession.setActionHandler('nexttrack', () => player.step(1));
  }, [player, track, status]);
}
