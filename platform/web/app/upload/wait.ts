/** Resolves after a time, or at once when the network comes back. @throws what the signal says */
export function waitOrOnline(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(resolve), ms);
    const onOnline = (): void => end(resolve);
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      window.removeEventListener('online', onOnline);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    window.addEventListener('online', onOnline);
    signal.addEventListener('abort', onAbort);
  });
}
