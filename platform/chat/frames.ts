import { z } from 'zod';
import type { Message } from './message.ts';

/** Larger frames are refused by closing with 1009: 4000 characters, each escaped, and what is around them. */
export const FRAME_AT_MOST_BYTES = 32 * 1024;

const uuid = z.uuid().toLowerCase();

/** PostgreSQL stores no NUL. */
export const spokenText = z.string().min(1).max(4000).refine(hasNoNul, 'must not contain NUL');
export const roomName = z.string().trim().min(1).max(80).refine(hasNoNul, 'must not contain NUL');

/** Frames of the client. */
export const clientFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), token: z.string().max(16_384) }),
  z.object({ type: z.literal('renew'), token: z.string().max(16_384) }),
  z.object({ type: z.literal('join'), room: uuid, after: z.int().min(0).optional() }),
  z.object({ type: z.literal('leave'), room: uuid }),
  z.object({ type: z.literal('say'), room: uuid, id: uuid, text: spokenText }),
]);

export type ClientFrame = z.output<typeof clientFrame>;

/** Frames of the server. People are their ids. */
export type ServerFrame =
  | { readonly type: 'welcome'; readonly person: string }
  | { readonly type: 'joined'; readonly room: string; readonly last: number; readonly present: readonly string[] }
  | ({ readonly type: 'message' } & Message)
  | { readonly type: 'said'; readonly room: string; readonly id: string; readonly seq: number }
  | { readonly type: 'presence'; readonly room: string; readonly person: string; readonly state: 'here' | 'away' }
  | {
      readonly type: 'refused';
      readonly code: RefusalCode;
      readonly detail: string;
      /** of the message that was not taken */
      readonly id?: string;
      readonly room?: string;
    };

export type RefusalCode =
  | 'malformed'
  | 'hello-first'
  | 'token-refused'
  | 'other-person'
  | 'no-such-room'
  | 'not-joined'
  | 'too-many-rooms'
  | 'too-fast'
  | 'room-busy'
  | 'unavailable'
  | 'erased';

/** Why the server closes a connection. Codes below 4000 are those of RFC 6455 section 7.4.1. */
export const CLOSE = {
  goingAway: 1001,
  binary: 1003,
  policy: 1008,
  internal: 1011,
  tryLater: 1013,
  token: 4401,
  erased: 4403,
  noHello: 4408,
  tooMany: 4429,
} as const;

/** null for anything that is not a frame of a client. */
export function readFrame(text: string): ClientFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const read = clientFrame.safeParse(value);
  return read.success ? read.data : null;
}

function hasNoNul(text: string): boolean {
  return !text.includes('\0');
}
