import { useEffect, useSyncExternalStore } from 'react';
import { useServices } from '../services.tsx';
import type { Connection } from './chat-client.ts';
import type { RoomView } from './room-view.ts';

/** A room, joined for as long as a page shows it. */
export function useRoom(room: string): RoomView {
  const { chat } = useServices();
  const store = chat.room(room);
  useEffect(() => chat.enter(room), [chat, room]);
  return useSyncExternalStore(store.subscribe, () => store.value);
}

export function useConnection(): Connection {
  const { connection } = useServices().chat;
  return useSyncExternalStore(connection.subscribe, () => connection.value);
}
