import type { Message, Reading, Side } from './connection.ts';
import type { LlhttpReading, ReadMessage } from './llhttp.ts';

/** How another parser's reading of the same octets compares. `differs` is a bug: the same octets mean two things. */
export type Comparison =
  | { readonly verdict: 'same' }
  /** It stops at what we took, for a reason that we know and do not share. */
  | { readonly verdict: 'it refuses'; readonly why: string }
  | { readonly verdict: 'differs'; readonly why: string };

/**
 * Why llhttp may stop where we go on. It knows a list of methods, we pass on those we do not know; and it stops behind every request that
 * asks for an upgrade, we go on behind those whose upgrade is not passed on (h2c, HTTP/1.0). Whatever else it refuses, we must.
 */
const judged: ReadonlySet<string> = new Set(['HPE_INVALID_METHOD', 'HPE_PAUSED_UPGRADE']);

const stopped = (where: string, error: string): Comparison =>
  judged.has(error)
    ? { verdict: 'it refuses', why: `${where}: ${error}` }
    : differs(`${where} that llhttp refuses: ${error}`);

const same: Comparison = { verdict: 'same' };
const differs = (why: string): Comparison => ({ verdict: 'differs', why });

/** Compares every message that we took, whole or in part, with the other reading. */
export function compare(side: Side, ours: Reading, theirs: LlhttpReading): Comparison {
  for (const [index, message] of ours.messages.entries()) {
    const other = theirs.messages[index];
    if (other === undefined || !other.headComplete) {
      return theirs.error === null ? differs(`message ${index} is none for llhttp`) : stopped('a head', theirs.error);
    }
    const difference = differenceOfHeads(message, other) ?? differenceOfBodies(message, other, ours, theirs);
    if (difference !== null) return difference;
  }
  const next = theirs.messages[ours.messages.length];
  const last = ours.messages.at(-1);
  const waits = ours.fault === null && (last === undefined || (last.complete && !endsConnection(last)));
  if (waits && next?.headComplete === true) return differs(`llhttp reads a ${side.kind} where we wait for more`);
  return same;
}

const endsConnection = ({ of }: Message): boolean =>
  !of.head.keepAlive || (of.kind === 'answer' ? of.head.status === 101 : of.head.upgrade !== null);

function differenceOfHeads({ of }: Message, other: ReadMessage): Comparison | null {
  if (of.kind === 'answer') {
    if (of.head.status !== other.status) return differs(`status ${of.head.status}, ${other.status}`);
    return sameFields(of.head.headers, other.headers) ? null : differs('fields');
  }
  const { head } = of;
  if (head.method !== other.method) return differs(`method ${head.method}, ${other.method}`);
  if (head.target !== other.target) return differs(`target ${head.target}, ${other.target}`);
  // The host of an absolute target has replaced the one that was sent.
  const absolute = !head.target.startsWith('/');
  const fields = absolute ? [withoutHost(head.headers), withoutHost(other.headers)] : [head.headers, other.headers];
  return sameFields(fields[0] ?? [], fields[1] ?? []) ? null : differs('fields');
}

function differenceOfBodies(
  message: Message,
  other: ReadMessage,
  ours: Reading,
  theirs: LlhttpReading,
): Comparison | null {
  const complete = message.complete || message.of.head.body === null;
  if (complete && other.complete) {
    if (message.body !== other.body) return differs('bodies');
    return isPart(message.trailers, other.trailers) ? null : differs('trailers');
  }
  if (!message.body.startsWith(other.body) && !other.body.startsWith(message.body)) return differs('parts of bodies');
  if (complete) {
    return theirs.error === null ? differs('a body that is not complete for llhttp') : stopped('a body', theirs.error);
  }
  return other.complete && ours.fault === null ? differs('a body that is complete only for llhttp') : null;
}

const sameFields = (ours: readonly string[], theirs: readonly string[]): boolean =>
  ours.length === theirs.length && ours.every((text, index) => text === theirs[index]);

const withoutHost = (flat: readonly string[]): readonly string[] =>
  flat.filter((_, index) => flat[index - (index % 2)]?.toLowerCase() !== 'host');

/** Whether the fields are among the others, in the same order: we drop trailers that may not come behind a body. */
function isPart(some: readonly string[], all: readonly string[]): boolean {
  let found = 0;
  for (let i = 0; i + 1 < all.length; i += 2) {
    if (some[found] === all[i] && some[found + 1] === all[i + 1]) found += 2;
  }
  return found === some.length;
}
