import { useState, type ReactNode } from 'react';
import { pathTo } from '../paths.ts';
import { Link, useRoute } from '../router.tsx';
import { useServices, useSpeech } from '../services.tsx';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/field.tsx';
import { Icon } from '../ui/icons.tsx';
import { Page } from '../ui/page.tsx';
import { Empty, FailureNotice, Shown } from '../ui/states.tsx';
import { useAction } from '../use-action.ts';
import { useLoaded } from '../use-loaded.ts';

export function ChatPage(): ReactNode {
  const { t } = useSpeech();
  const { api } = useServices();
  const { go } = useRoute();
  const [name, setName] = useState('');
  const rooms = useLoaded('rooms', (signal) => api.rooms(signal));
  const { busy, failure, run } = useAction();
  return (
    <Page title={t('chat.title')}>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = name.trim();
          if (wanted === '') return;
          run(async (signal) => {
            const room = await api.createRoom(wanted, signal);
            go(pathTo('room', { room: room.id }));
          });
        }}
      >
        <TextField
          label={t('chat.new')}
          value={name}
          maxLength={80}
          onChange={(event) => setName(event.target.value)}
        />
        <Button type="submit" look="main" icon="add" busy={busy}>
          {t('chat.create')}
        </Button>
      </form>
      <FailureNotice failure={failure} />
      <h2>{t('chat.rooms')}</h2>
      <Shown loading={rooms}>
        {(list) =>
          list.length === 0 ? (
            <Empty icon="chat" title={t('chat.empty.title')} text={t('chat.empty.text')} />
          ) : (
            <ul className="cards">
              {list.map((room) => (
                <li key={room.id}>
                  <Link to={pathTo('room', { room: room.id })} className="card">
                    <Icon name="chat" />
                    <span className="card-title">{room.name}</span>
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
