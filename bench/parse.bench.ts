import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { ChunkedDecoder } from '../src/gateway/http1/chunked.ts';
import type { HeadLimits } from '../src/gateway/http1/message.ts';
import { parseAnswerHead } from '../src/gateway/http1/parse-answer.ts';
import { parseRequestHead } from '../src/gateway/http1/parse-request.ts';
import type { BenchContext, Figure } from './harness/bench.ts';

export const name = 'parse';
export const description =
  'Reading the heads of HTTP/1.1 and taking chunked bodies apart, without sockets, beside the parser inside Node';

const ROUNDS = 9;
const limits: HeadLimits = { maxHeaderBytes: 16_384, maxHeaders: 128 };

const lines = (...texts: string[]): Buffer => Buffer.from([...texts, '', ''].join('\r\n'), 'latin1');

const small = lines('GET /api/items?page=2 HTTP/1.1', 'Host: shop.example.org', 'User-Agent: wrk/4.2.0', 'Accept: */*');
const browser = lines(
  'GET /products/shoes?color=red&size=42 HTTP/1.1',
  'Host: shop.example.org',
  'Connection: keep-alive',
  'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Dest: document',
  'Referer: https://shop.example.org/',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Cookie: session=eyJhbGciOiJIUzI1NiJ9.abcdef; theme=dark',
);
const answer = lines(
  'HTTP/1.1 204 No Content',
  'Content-Type: application/json; charset=utf-8',
  'Date: Mon, 23 Nov 2026 12:00:00 GMT',
  'Connection: keep-alive',
  'Keep-Alive: timeout=5',
);
/** 1 MB in chunks of 16 kB. */
const chunked = Buffer.concat([
  ...Array.from({ length: 64 }, () => Buffer.from(`4000\r\n${'x'.repeat(16_384)}\r\n`, 'latin1')),
  Buffer.from('0\r\n\r\n', 'latin1'),
]);

export async function run(context: BenchContext): Promise<readonly Figure[]> {
  const peer = `llhttp ${process.versions['llhttp']} in Node ${process.version}`;
  const figures: Figure[] = [];
  for (const [what, head, atMost] of [
    [`GET, ${small.length} bytes`, small, 1.5],
    [`GET of a browser, ${browser.length} bytes`, browser, 5],
  ] as const) {
    const ours = await microseconds(context, () => take(parseRequestHead(head, 0, head.length, limits)));
    const theirs = await microseconds(context, nodeParser('REQUEST', head));
    figures.push({ name: what, value: ours, unit: 'µs', goal: { atMost }, peer: { name: peer, value: theirs } });
  }
  figures.push({
    name: `answer, ${answer.length} bytes`,
    value: await microseconds(context, () => take(parseAnswerHead(answer, 0, answer.length, 'GET', limits))),
    unit: 'µs',
    peer: { name: peer, value: await microseconds(context, nodeParser('RESPONSE', answer)) },
  });
  const perMegabyte = await microseconds(context, () => {
    let bytes = 0;
    const decoder = new ChunkedDecoder();
    decoder.decode(chunked, 0, chunked.length, (piece) => (bytes += piece.length));
    if (!decoder.done || bytes !== 1_048_576) throw new Error('the chunked body was not read');
  });
  figures.push({ name: 'a chunked body of 1 MB in chunks of 16 kB', value: perMegabyte, unit: 'µs' });
  return figures;
}

function take(head: object | null): void {
  if (head === null || 'fault' in head) throw new Error('the head was not read');
}

/** Of one call: the median of some rounds, the first of which are for the compiler. */
async function microseconds({ signal, quick }: BenchContext, call: () => void): Promise<number> {
  const roundMs = quick ? 5 : 200;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = performance.now();
    let calls = 0;
    while (performance.now() - begun < roundMs) for (let i = 0; i < 100; i += 1, calls += 1) call();
    times.push(((performance.now() - begun) * 1_000) / calls);
    await setImmediate();
    signal.throwIfAborted();
  }
  const counted = times.slice(3).sort((a, b) => a - b);
  return counted[Math.floor(counted.length / 2)] ?? Number.NaN;
}

interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | Error;
  [callback: number]: (...values: unknown[]) => number;
}

interface HttpCommon {
  readonly HTTPParser: (new () => NodeParser) & Readonly<Record<string, number>>;
}

/** The parser that `node:http` uses, with callbacks that take what it hands over. */
function nodeParser(type: 'REQUEST' | 'RESPONSE', head: Buffer): () => void {
  const { HTTPParser } = createRequire(import.meta.url)('_http_common') as HttpCommon;
  const parser = new HTTPParser();
  let complete = 0;
  parser.initialize(HTTPParser[type] ?? 0, {});
  parser[HTTPParser['kOnHeadersComplete'] ?? -1] = (_major, _minor, headers) => {
    complete += (headers as readonly string[]).length;
    return 0;
  };
  parser[HTTPParser['kOnMessageComplete'] ?? -1] = () => 0;
  return () => {
    const before = complete;
    if (parser.execute(head) !== head.length || complete === before) throw new Error('Node did not read the head');
  };
}
