import {
  array,
  discriminatedUnion,
  int,
  literal,
  nullable,
  nullish,
  object,
  string,
  type infer as Infer,
} from 'zod/mini';

/** What was said, as the service stores it: `seq` is 1, 2, 3 … in each room. An erased person's message is empty. */
export const chatMessage = object({
  room: string(),
  seq: int(),
  id: nullable(string()),
  author: nullable(string()),
  name: string(),
  text: string(),
  at: string(),
});
export type ChatMessage = Infer<typeof chatMessage>;

/** What the service sends. */
export const serverFrame = discriminatedUnion('type', [
  object({ type: literal('welcome'), person: string() }),
  object({ type: literal('joined'), room: string(), last: int(), present: array(string()) }),
  object({ type: literal('message'), ...chatMessage.shape }),
  object({ type: literal('said'), room: string(), id: string(), seq: int() }),
  object({ type: literal('presence'), room: string(), person: string(), state: string() }),
  object({
    type: literal('refused'),
    code: string(),
    detail: nullish(string()),
    room: nullish(string()),
    id: nullish(string()),
  }),
]);
export type ServerFrame = Infer<typeof serverFrame>;

/** What the page sends. */
export type ClientFrame =
  | { readonly type: 'hello'; readonly token: string }
  | { readonly type: 'renew'; readonly token: string }
  | { readonly type: 'join'; readonly room: string; readonly after?: number }
  | { readonly type: 'leave'; readonly room: string }
  | { readonly type: 'say'; readonly room: string; readonly id: string; readonly text: string };
