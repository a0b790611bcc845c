/**
 * The little of Redis's protocol that asking for a sign of life takes (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/):
 * commands are arrays of bulk strings, answers to PING, AUTH and INFO are simple strings, errors and bulk strings.
 */
export type Reply =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string };

// INFO of one section is under 2 kB.
const MOST_BYTES = 64 * 1024;

/** Thrown for an answer that is not Redis's. */
export class NotRedis extends Error {}

export function encodeCommand(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/**
 * Takes the replies off the front of what has arrived.
 *
 * @returns whole replies, and the bytes of one that is not whole yet
 * @throws NotRedis
 */
export function decodeReplies(arrived: Buffer): { readonly replies: readonly Reply[]; readonly rest: Buffer } {
  const replies: Reply[] = [];
  let rest = arrived;
  for (;;) {
    const end = rest.indexOf('\r\n');
    if (end === -1) {
      if (rest.length > MOST_BYTES) throw new NotRedis('the answer has no end');
      return { replies, rest };
    }
    const line = rest.toString('utf8', 1, end);
    switch (rest[0]) {
      case 0x2b:
        replies.push({ kind: 'text', text: line });
        rest = rest.subarray(end + 2);
        break;
      case 0x2d:
        replies.push({ kind: 'error', text: line });
        rest = rest.subarray(end + 2);
        break;
      case 0x24: {
        const length = /^\d{1,9}$/.test(line) ? Number(line) : Number.NaN;
        if (!(length <= MOST_BYTES)) throw new NotRedis('the answer has no length');
        const from = end + 2;
        if (rest.length < from + length + 2) return { replies, rest };
        replies.push({ kind: 'text', text: rest.toString('utf8', from, from + length) });
        rest = rest.subarray(from + length + 2);
        break;
      }
      default:
        throw new NotRedis('the answer is not in the protocol of Redis');
    }
  }
}
