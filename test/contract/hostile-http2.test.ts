import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeLeaf } from '../../src/gateway/tls/x509.ts';
import { startBystander } from '../hostile/bystander.ts';
import { barrier } from '../hostile/fire.ts';
import { RecordingInstance } from '../hostile/recording-instance.ts';
import { residentBytes, startDataPlane, type RouterUnderFire } from '../hostile/routers.ts';
import { flag, frame, frameType, get, headerBlock, RawHttp2, uint32 } from '../rig/http2-frames.ts';
import { until } from './router-instance.ts';

// Floods of HTTP/2 over TLS through the whole gateway: the connection that floods is ended, and meanwhile others are served.

const mega = 2 ** 20;
const bearableMs = 3_000;

let instance: RecordingInstance;
let gateway: RouterUnderFire;
let client: RawHttp2 | null = null;

beforeEach(async () => {
  instance = new RecordingInstance();
  const { certificate, key } = await makeLeaf(['a.test'], null, { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
  gateway = await startDataPlane(await instance.start(), { tls: { key, cert: certificate } });
  for (let round = 0; round < 20; round += 1) await barrier(gateway);
});

afterEach(async () => {
  client?.close();
  client = null;
  const complaints = await gateway.complaints();
  await gateway.end();
  await instance.stop();
  expect(complaints).toEqual([]);
});

const block = headerBlock(get('/flood'));
const head = (stream: number, flags: number): Buffer => frame(frameType.headers, flags, stream, block);
const repeated = (bytes: Buffer, times: number): Buffer => Buffer.concat(Array.from({ length: times }, () => bytes));

const floods: readonly (readonly [string, Buffer | null, (n: number) => Buffer])[] = [
  [
    'rapid reset (CVE-2023-44487)',
    null,
    (n) =>
      Buffer.concat([
        head(2 * n + 1, flag.endHeaders | flag.endStream),
        frame(frameType.rstStream, 0, 2 * n + 1, uint32(8)),
      ]),
  ],
  ['settings (CVE-2019-9515)', null, () => repeated(frame(frameType.settings, 0, 0), 20)],
  ['pings (CVE-2019-9512)', null, () => repeated(frame(frameType.ping, 0, 0, Buffer.alloc(8)), 20)],
  [
    'CONTINUATION without end (CVE-2024-27983)',
    frame(frameType.headers, flag.endStream, 1, block),
    () => frame(frameType.continuation, 0, 1, headerBlock([['x-a', 'y'.repeat(1_000)]])),
  ],
  ['streams that never end', null, (n) => head(2 * n + 1, flag.endHeaders)],
];

describe('a flood of HTTP/2 over TLS', () => {
  it.each(floods)('of %s ends its connection and holds up nobody', async (_name, begin, piece) => {
    if (gateway.tlsPort === null) throw new Error('no port for TLS');
    const before = await residentBytes(await gateway.pids());
    const bystander = startBystander(gateway);
    const attacker = await RawHttp2.open(gateway.tlsPort);
    client = attacker;
    if (begin !== null) attacker.send(begin);
    for (let n = 0; n < 20_000 && attacker.goaway === null && !attacker.closed; n += 1) {
      if (attacker.send(piece(n))) await new Promise((resolve) => setImmediate(resolve));
      else {
        await Promise.race([
          new Promise((resolve) => attacker.socket.once('drain', resolve)),
          new Promise((resolve) => attacker.socket.once('close', resolve)),
        ]);
      }
    }
    expect(attacker.goaway !== null || attacker.closed).toBe(true);
    // What reached the instance is far less than what was asked for, and all of it is well-formed.
    expect(instance.arrivals().every(({ fault }) => fault === null)).toBe(true);
    expect(instance.countOf('/flood')).toBeLessThan(2_000);
    await until(() => bystander.served > 3, 'the bystander had its turns');
    const { failures, slowestMs, mostBytes } = await bystander.end();
    expect(failures).toEqual([]);
    expect(slowestMs).toBeLessThan(bearableMs);
    expect(mostBytes - before).toBeLessThan(150 * mega);
  });
});
