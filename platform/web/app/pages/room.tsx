import { useState, type ReactNode } from 'react';
import { earliest } from '../chat/room-view.ts';
import { Transcript } from '../chat/transcript.tsx';
import { useConnection, useRoom } from '../chat/use-room.ts';
import { Failure } from '../failure.ts';
import { pathTo } from '../paths.ts';
import { Link } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Icon } from '../ui/icons.tsx';
import { Page } from '../ui/page.tsx';
import { FailureNotice, Waiting } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';

/** As chat has it. */
const MAX_TEXT = 2000;

export function RoomPage({ room }: { readonly room: string }): ReactNode {
  const { t } = useSpeech();
  const { api, chat } = useServices();
  const view = useRoom(room);
  const connection = useConnection();
  const [text, setText] = useState('');
  const earlier = useAction();
  const rooms = useLoaded('rooms', (signal) => api.rooms(signal));
  const name = rooms.loaded.state === 'there' ? rooms.loaded.value.find((one) => one.id === room)?.name : undefined;

  return (
    <Page
      title={name ?? t('chat.title')}
      aside={
        <Link to={pathTo('chat')} className="back">
          <Icon name="back" />
          {t('chat.back')}
        </Link>
      }
    >
      {view.state === 'refused' ? (
        <FailureNotice failure={new Failure(404, 'not-found')} />
      ) : (
        <>
          <div className="chat-state muted">
            <span role="status" className={`connection connection-${connection}`}>
              {t(
                connection === 'open'
                  ? 'chat.connected'
                  : connection === 'interrupted'
                    ? 'chat.reconnecting'
                    : 'chat.connecting',
              )}
            </span>
            {view.state === 'joined' && <span>{t('chat.present', { n: view.present.length })}</span>}
          </div>
          {earliest(view) > 1 && view.last !== null && (
            <Button look="quiet" icon="up" busy={earlier.busy} onClick={() => earlier.run(() => chat.earlier(room))}>
              {t('chat.earlier')}
            </Button>
          )}
          <FailureNotice failure={earlier.failure} />
          {view.last === null ? <Waiting /> : <Transcript view={view} />}
          <form
            className="inline-form say"
            onSubmit={(event) => {
              event.preventDefault();
              if (text.trim() === '') return;
              chat.say(room, text.trim());
              setText('');
            }}
          >
            <TextField
              label={t('chat.message')}
              value={text}
              maxLength={MAX_TEXT}
              autoComplete="off"
              onChange={(event) => setText(event.target.value)}
            />
            <Button type="submit" look="main" icon="send">
              {t('chat.send')}
            </Button>
          </form>
        </>
      )}
    </Page>
  );
}
