import { object, literal, number, string, discriminatedUnion, type infer as Infer } from 'zod/mini';

/** What tabs of one browser tell each other. The channel reaches this origin only, and nothing of it is stored. */
const message = discriminatedUnion('kind', [
  object({
    kind: literal('grant'),
    grant: object({ accessToken: string(), personId: string(), expiresAt: number() }),
  }),
  object({ kind: literal('out'), personId: string() }),
]);

export type TabMessage = Infer<typeof message>;

export interface Tabs {
  tell(message: TabMessage): void;
  /** Runs while no other tab runs the same: the browser lets go of it when a tab dies. */
  alone<T>(run: () => Promise<T>): Promise<T>;
  onMessage(listener: (message: TabMessage) => void): void;
  close(): void;
}

/** Tabs by BroadcastChannel and Web Locks; every browser that this app is built for has both. */
export function browserTabs(name: string): Tabs {
  const channel = new BroadcastChannel(name);
  return {
    // A BroadcastChannel reaches its own origin only and takes no other argument.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    tell: (said) => channel.postMessage(said),
    alone: (run) => navigator.locks.request(name, run),
    onMessage(listener) {
      channel.addEventListener('message', (event: MessageEvent<unknown>) => {
        const parsed = message.safeParse(event.data);
        if (parsed.success) listener(parsed.data);
      });
    },
    close: () => channel.close(),
  };
}
