import { Api } from './api.ts';
import { ChatClient } from './chat/chat-client.ts';
import { Http } from './http.ts';
import { LanguageChoice } from './i18n/language.ts';
import { Player } from './player/player.ts';
import type { Services } from './services.tsx';
import { Session } from './session/session.ts';
import { browserTabs } from './session/tabs.ts';
import { Store } from './store.ts';
import { UploadMemory } from './upload/upload-memory.ts';

const REMINDER = 'veza.session';

/** Puts the parts of the page together. */
export function makeServices(): Services {
  const fetcher: typeof fetch = (input, init) => fetch(input, init);
  const reminder = {
    get: () => localStorage.getItem(REMINDER) === 'yes',
    set: (present: boolean) => (present ? localStorage.setItem(REMINDER, 'yes') : localStorage.removeItem(REMINDER)),
  };
  const session = new Session({
    fetch: fetcher,
    tabs: browserTabs('veza-session'),
    now: () => Date.now(),
    reminder,
  });
  const api = new Api(new Http(session, fetcher));
  const chat = new ChatClient({
    url: () => `${location.origin.replace(/^http/, 'ws')}/chat/v1/socket`,
    open: (url) => new WebSocket(url),
    token: (refused) => session.token(refused),
    history: (room, after, limit) => api.messages(room, after, limit),
    random: Math.random,
    newId: () => crypto.randomUUID(),
  });
  const player = new Player({
    audio: new Audio(),
    media: (id) => api.media(id),
    // Counted for the history and the suggestions; music goes on when it fails.
    report: (id, ms) => void api.played(id, ms).catch(() => undefined),
  });
  const uploads = new UploadMemory(localStorage);
  const gone = new Store(false);

  session.subscribe(() => {
    if (session.state.kind === 'in') {
      gone.set(false);
      void session.token().then(
        (token) => chat.renewed(token),
        () => undefined,
      );
    }
    if (session.state.kind === 'out') {
      chat.close();
      player.stop();
      // Not when identity was only out of reach.
      if (!reminder.get()) uploads.clear();
    }
  });
  window.addEventListener('online', () => chat.wake());
  window.addEventListener('pagehide', () => player.flush());

  return {
    session,
    api,
    language: new LanguageChoice(localStorage),
    player,
    chat,
    uploads,
    gone,
    async register(registration) {
      await session.register(registration);
      const { displayName, language } = registration;
      // The account is there: when its profile cannot be written now, it can be later, on the person's own page.
      await api
        .saveProfile({ displayName, bio: '', language, gender: null }, AbortSignal.timeout(10_000))
        .catch(() => undefined);
    },
    farewell() {
      gone.set(true);
      session.closed();
    },
  };
}
