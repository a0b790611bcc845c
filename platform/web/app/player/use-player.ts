import { useSyncExternalStore } from 'react';
import { useServices } from '../services.tsx';
import type { Playing, Position } from './player.ts';

export function usePlaying(): Playing {
  const { player } = useServices();
  return useSyncExternalStore(player.playing.subscribe, () => player.playing.value);
}

export function usePosition(): Position {
  const { player } = useServices();
  return useSyncExternalStore(player.position.subscribe, () => player.position.value);
}
