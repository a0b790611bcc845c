import { createContext, use, useSyncExternalStore } from 'react';
import type { Api } from './api.ts';
import type { ChatClient } from './chat/chat-client.ts';
import type { LanguageChoice, Speech } from './i18n/language.ts';
import type { Player } from './player/player.ts';
import type { SessionState } from './session/grant.ts';
import type { Registration, Session } from './session/session.ts';
import type { Store } from './store.ts';
import type { UploadMemory } from './upload/upload-memory.ts';

/** What lives as long as the page: made once in main.tsx. */
export interface Services {
  readonly session: Session;
  readonly api: Api;
  readonly language: LanguageChoice;
  readonly player: Player;
  readonly chat: ChatClient;
  readonly uploads: UploadMemory;
  /** Makes an account, and a profile under its name. */
  readonly register: (registration: Registration) => Promise<void>;
  /** Whether the account was just deleted. */
  readonly gone: Store<boolean>;
  /** The account is deleted: forgets everything of it. */
  readonly farewell: () => void;
}

export const ServicesContext = createContext<Services | null>(null);

export function useServices(): Services {
  const services = use(ServicesContext);
  if (services === null) throw new Error('useServices outside of its provider');
  return services;
}

/** How to say things; the component is drawn again when the language changes. */
export function useSpeech(): Speech {
  const { language } = useServices();
  return useSyncExternalStore(language.subscribe, () => language.speech);
}

export function useSession(): SessionState {
  const { session } = useServices();
  return useSyncExternalStore(session.subscribe, () => session.state);
}

/** The person who is logged in; only for pages that are shown to nobody else. */
export function usePersonId(): string {
  const state = useSession();
  return state.kind === 'in' ? state.personId : '';
}
