// Requests by grammar, most of them good, and the ways in which they are spoilt. All texts are bytes.

export type Random = () => number;

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
const below = (random: Random, limit: number): number => Math.floor(random() * limit);

const methods = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'M-SEARCH'] as const;
const names = ['X-F-A', 'x-f-b', 'X-F-Long-Name', 'Accept', 'User-Agent', 'X-F-Veza', 'X_F_D'] as const;
const values = ['a', '', 'b, c', 'caf\xc3\xa9', '"quoted; value"', 'a\tb', 'x'.repeat(300), '100', 'chunked'] as const;
const suffixes = ['', '', '', '?q=a/b', '/%2e%2e/', '//x', ';p=1', '?a=%0d%0aX:%20y', `/${'l'.repeat(500)}`] as const;

/** Lines about framing that are wrong, or at least odd. */
const oddFraming = [
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 5, 5',
  'Content-Length: +5',
  'Content-Length: 05',
  'Content-Length: 0x5',
  'Content-Length: 5\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nContent-Length: 5',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: xchunked',
  'Transfer_Encoding: chunked',
  'Connection: content-length\r\nContent-Length: 5',
] as const;

function body(random: Random): string {
  const kind = below(random, 4);
  if (kind === 0) return '';
  if (kind === 1) return 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
  if (kind === 2) return '0\r\n\r\n';
  return 'b'.repeat(below(random, 200));
}

function chunks(random: Random, text: string): string {
  let out = '';
  for (let at = 0; at < text.length;) {
    const size = 1 + below(random, text.length - at);
    const hex = size.toString(16);
    const extension = random() < 0.1 ? ';a=b' : '';
    out += `${random() < 0.1 ? `0${hex}` : hex}${extension}\r\n${text.slice(at, at + size)}\r\n`;
    at += size;
  }
  const trailers = random() < 0.1 ? 'X-F-Sum: 1\r\n' : '';
  return `${out}0\r\n${trailers}\r\n`;
}

/** One request. @param target where it goes, unique */
export function writeRequest(random: Random, target: string): string {
  const method = pick(random, methods);
  const full = target + pick(random, suffixes);
  const version = random() < 0.97 ? '1.1' : '1.0';
  const absolute = random() < 0.03 ? 'http://b.test' : '';
  const lines = [`${method} ${absolute}${full} HTTP/${version}`, random() < 0.95 ? 'Host: a.test' : 'host:a.test:80'];
  for (let count = below(random, 5); count > 0; count -= 1)
    lines.push(`${pick(random, names)}: ${pick(random, values)}`);
  if (random() < 0.05) lines.push('Connection: x-f-a');
  if (random() < 0.03) lines.push('Connection: close');
  if (random() < 0.02) lines.push('Expect: 100-continue');
  if (random() < 0.02) lines.push('X-Veza-Arm: candidate', 'X-Forwarded-For: 1.2.3.4');
  const text = body(random);
  const framing = random();
  if (framing < 0.04) return `${[...lines, pick(random, oddFraming)].join('\r\n')}\r\n\r\n${text}`;
  if (framing < 0.35) return `${[...lines, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n${chunks(random, text)}`;
  if (framing < 0.7) return `${[...lines, `Content-Length: ${text.length}`].join('\r\n')}\r\n\r\n${text}`;
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const spoilers = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  '\r\r\n',
  ' ',
  '\t',
  '\x00',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ';',
  ',',
  '"',
  '+',
  '-',
  '0',
  '1',
  'f',
  'x',
  '_',
  '#',
  '@',
  '/',
  '\\',
  'HTTP/1.1',
  'Host: b.test\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'chunked',
  'GET ',
] as const;

/** Spoils a text in one place. */
export function spoil(random: Random, text: string): string {
  const at = below(random, text.length + 1);
  const length = 1 + below(random, 6);
  switch (below(random, 8)) {
    case 0:
    case 1:
    case 2:
      return text.slice(0, at) + pick(random, spoilers) + text.slice(at);
    case 3:
      return text.slice(0, at) + text.slice(at + length);
    case 4:
      return text.slice(0, at) + pick(random, spoilers) + text.slice(at + 1);
    case 5: {
      const from = below(random, text.length);
      return text.slice(0, at) + text.slice(from, from + below(random, 60)) + text.slice(at);
    }
    case 6: {
      const piece = text.slice(at, at + length);
      return (
        text.slice(0, at) +
        (random() < 0.5 ? piece.toUpperCase() : piece.toLowerCase()).replaceAll('\xb5', 'u') +
        text.slice(at + length)
      );
    }
    default: {
      const other = String.fromCharCode(below(random, 256));
      return text.slice(0, at) + other + text.slice(at + 1);
    }
  }
}
