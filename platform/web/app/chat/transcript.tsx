import { useEffect, useRef, type ReactNode } from 'react';
import { failureText } from '../failure-text.ts';
import { Failure } from '../failure.ts';
import { usePersonId, useSpeech } from '../services.tsx';
import { Empty } from '../ui/states.tsx';
import type { ChatMessage } from './frames.ts';
import type { RoomView } from './room-view.ts';

/** What was said, the newest last; whoever is at the end stays there. New messages are read aloud (role log). */
export function Transcript({ view }: { readonly view: RoomView }): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const { messages, pending } = view;

  useEffect(() => {
    const element = log.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [messages, pending]);

  if (messages.length === 0 && pending.length === 0) {
    return <Empty icon="chat" title={t('chat.silent.title')} text={t('chat.silent.text')} />;
  }
  return (
    <div
      ref={log}
      className="log"
      role="log"
      aria-label={t('chat.log')}
      // Scrolled by keyboard, too.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 48;
      }}
    >
      <ol>
        {messages.map((message) => (
          <Said key={message.seq} message={message} />
        ))}
        {pending.map(({ id, text, refused }) => (
          <li key={id} className="said said-mine said-pending">
            <p className="said-text">{text}</p>
            <p className="said-by">
              {refused === null
                ? t('chat.sending')
                : t('chat.refused', { why: failureText(new Failure(400, refused), speech) })}
            </p>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Said({ message }: { readonly message: ChatMessage }): ReactNode {
  const { t, moment } = useSpeech();
  const mine = usePersonId() === message.author;
  const erased = message.author === null;
  return (
    <li className={mine ? 'said said-mine' : 'said'}>
      <p className="said-by">
        <strong>{mine ? t('chat.you') : erased ? t('chat.erased.by') : message.name}</strong>{' '}
        <time dateTime={message.at}>{moment(message.at)}</time>
      </p>
      <p className={erased ? 'said-text muted' : 'said-text'}>{erased ? t('chat.erased') : message.text}</p>
    </li>
  );
}
