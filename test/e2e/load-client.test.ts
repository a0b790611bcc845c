import { afterEach, describe, expect, it } from 'vitest';
import { startLoad } from '../../src/load/load.ts';
import type { LoadOptions } from '../../src/load/options.ts';
import type { LoadReport } from '../../src/load/report.ts';
import { startFaultyPlatform, type FaultyPlatform, type Faults } from './load-faulty-platform.ts';

// Every fault is made once, and the client must count it once, as what it is.

const quiet = { rate: 100, uploadEveryMs: 0, eventStreams: 0, webSockets: 0, timeoutMs: 1500 } as const;
const only = (operation: 'echo' | 'chain' | 'post' | 'read') => ({
  echo: 0,
  chain: 0,
  post: 0,
  read: 0,
  [operation]: 1,
});

let platform: FaultyPlatform | null = null;
afterEach(async () => {
  await platform?.close();
  platform = null;
});

async function loadOn(faults: Faults, options: Partial<LoadOptions>): Promise<LoadReport> {
  platform = await startFaultyPlatform(faults);
  return startLoad({ target: platform.url, ...quiet, ...options }).finished;
}

/** Runs streams until they have come to the connection after the last fault, and that one has worked. */
async function streamOn(faults: Faults, operation: 'events' | 'ws', connections: number): Promise<LoadReport> {
  platform = await startFaultyPlatform(faults);
  const streams = { eventStreams: operation === 'events' ? 1 : 0, webSockets: operation === 'ws' ? 1 : 0 };
  const run = startLoad({ target: platform.url, ...quiet, rate: 1, timeoutMs: 1000, ...streams, duration: '60s' });
  let items = Number.POSITIVE_INFINITY;
  await expect
    .poll(
      () => {
        const now = run.snapshot();
        // The scheduled echoes are answered at once: what is in flight is the stream.
        const streamRequests = now.requests - (platform?.came.get('/echo') ?? 0);
        if (streamRequests >= connections) items = Math.min(items, now.items);
        return now.items > items + 2;
      },
      { timeout: 20_000, interval: 20 },
    )
    .toBe(true);
  return run.stop();
}

const lostKinds = (report: LoadReport) => report.lostDetails.map(({ kind }) => kind);

describe('requests', () => {
  it('are all counted as good when all are', async () => {
    const report = await loadOn({}, { duration: '1s', uploadEveryMs: 250, uploadBytes: 300_000 });
    expect(report).toMatchObject({ requests: 104, inFlight: 0, lost: 0, wrong: 0, failedByRelease: 0, skipped: 0 });
    expect(report.operations.upload).toMatchObject({ requests: 4, ok: 4 });
    expect(report.operations.post).toMatchObject({ requests: 20, ok: 20 });
    const ok = Object.values(report.operations).reduce((sum, operation) => sum + operation.ok, 0);
    expect(ok).toBe(104);
    expect(report.acknowledged).toEqual({ acknowledged: 20, found: 20, missing: 0, complete: true, problem: null });
    expect(report.releases['rel_1']).toMatchObject({ name: 'web v1', answers: 104 });
    expect(platform?.came.get('/upload')).toBe(4);
  });

  it('are lost when refused, reset, timed out, cut short, not HTTP, or answered by no instance', async () => {
    const report = await loadOn(
      {
        requests: {
          '/echo': {
            2: 'reset',
            4: 'close-without-answer',
            6: 'truncate',
            8: 'truncate-chunked',
            10: 'never',
            12: 'router-error',
            14: 'router-not-found',
            16: 'unsigned-error',
            18: 'lost-inside',
            20: 'not-http',
          },
        },
      },
      { mix: only('echo'), duration: '500ms' },
    );
    expect(report.lostByKind).toEqual({
      reset: 2,
      'cut-short': 2,
      timeout: 1,
      'proxy-error': 3,
      'internal-call': 1,
      malformed: 1,
    });
    expect(report).toMatchObject({ requests: 50, lost: 10, wrong: 0, failedByRelease: 0 });
    expect(report.operations.echo).toMatchObject({ requests: 50, ok: 40, lost: 10 });
    expect(report.lostDetails.find(({ kind }) => kind === 'cut-short')).toMatchObject({
      operation: 'echo',
      release: 'rel_1',
    });
    // Nothing was quietly tried again.
    expect(platform?.came.get('/echo')).toBe(50);
  });

  it('are lost one by one while nothing listens', async () => {
    platform = await startFaultyPlatform({});
    const target = platform.url;
    await platform.close();
    const streams = { eventStreams: 1, webSockets: 1 };
    const report = await startLoad({ target, ...quiet, ...streams, mix: only('echo'), duration: '300ms' }).finished;
    expect(report.operations.echo).toMatchObject({ requests: 30, lost: 30, ok: 0 });
    // How often streams try again is a matter of time.
    for (const { requests, lost } of [report.operations.events, report.operations.ws]) {
      expect(requests).toBeGreaterThan(0);
      expect(lost).toBe(requests);
    }
    expect(report.lostByKind).toEqual({ refused: report.requests });
  });

  it('are wrong when an answer is not the one it must be', async () => {
    const report = await loadOn(
      {
        requests: {
          '/echo': { 3: 'wrong-checksum', 5: 'foreign-answer', 7: 'not-found' },
          '/chain': { 2: 'wrong-checksum' },
          '/upload': { 1: 'wrong-checksum' },
          '/api/messages/*': { 1: 'wrong-checksum', 2: 'not-found' },
        },
      },
      { duration: '1s', uploadEveryMs: 500, uploadBytes: 100_000 },
    );
    expect(report.operations).toMatchObject({
      echo: { wrong: 3 },
      chain: { wrong: 1 },
      upload: { wrong: 1 },
      read: { wrong: 2 },
      post: { wrong: 0 },
    });
    expect(report).toMatchObject({ lost: 0, wrong: 7, failedByRelease: 0 });
  });

  it('are failed by the release that sent the error, or by the one down the chain', async () => {
    const report = await loadOn(
      { requests: { '/echo': { 1: 'release-error', 2: 'release-error', 9: 'failed-down-the-chain' } } },
      { mix: only('echo'), duration: '200ms' },
    );
    expect(report).toMatchObject({ requests: 20, lost: 0, wrong: 0, failedByRelease: 3 });
    expect(report.failedByReleases).toEqual({ rel_1: 2, rel_worker: 1 });
    expect(report.releases['rel_1']).toMatchObject({ answers: 20, failed: 2 });
  });

  it('show a slow answer as latency and nothing else', async () => {
    const report = await loadOn({ requests: { '/echo': { 5: 'slow' } } }, { mix: only('echo'), duration: '300ms' });
    expect(report).toMatchObject({ requests: 30, lost: 0, wrong: 0 });
    expect(report.operations.echo.latencyMs.max).toBeGreaterThan(690);
    expect(report.operations.echo.latencyMs.p50).toBeLessThan(300);
  });

  it('that would be too many at once are left out and said to be', async () => {
    const never = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [index + 1, 'never' as const]));
    const report = await loadOn(
      { requests: { '/echo': never } },
      { mix: only('echo'), duration: '500ms', maxInFlight: 10, timeoutMs: 700 },
    );
    expect(report).toMatchObject({ requests: 10, lost: 10, skipped: 40 });
  });
});

describe('connections', () => {
  it('are kept and used again', async () => {
    const report = await loadOn({}, { mix: only('echo'), rate: 20, duration: '1s' });
    expect(report).toMatchObject({ requests: 20, lost: 0 });
    expect(platform?.connections.opened).toBeLessThan(20);
  });

  it('are not used again when the server promises to keep them no longer than a race takes', async () => {
    const report = await loadOn({ keepAliveMs: 1000 }, { mix: only('echo'), rate: 20, duration: '500ms' });
    expect(report).toMatchObject({ requests: 10, lost: 0 });
    expect(platform?.connections.opened).toBe(10);
  });

  it('are given up by the client when idle, long before the server would', async () => {
    platform = await startFaultyPlatform({});
    // Two at the start, for an echo and an upload; from then on one is enough.
    const options = { target: platform.url, ...quiet, rate: 1, uploadEveryMs: '1m', mix: only('echo') } as const;
    const run = startLoad({ ...options, uploadBytes: 1000 });
    await expect.poll(() => platform?.connections.closedByClient, { timeout: 20_000 }).toBe(1);
    expect((await run.stop()).lost).toBe(0);
  });
});

describe('messages', () => {
  it('that were acknowledged and are not there at the end are wrong, each of them', async () => {
    const report = await loadOn(
      { requests: { '/api/messages': { 3: 'acknowledge-and-forget', 8: 'acknowledge-and-forget' } } },
      { mix: only('post'), duration: '200ms' },
    );
    expect(report.acknowledged).toEqual({ acknowledged: 20, found: 18, missing: 2, complete: true, problem: null });
    expect(report).toMatchObject({ lost: 0, wrong: 2 });
    expect(report.wrongDetails[0]?.detail).toMatch(/message \d+ was acknowledged and is not there/);
  });

  it('whose acknowledgement was lost may be there or not', async () => {
    const report = await loadOn(
      { requests: { '/api/messages': { 3: 'store-and-reset' } } },
      { mix: only('post'), duration: '200ms' },
    );
    expect(report.acknowledged).toMatchObject({ acknowledged: 19, missing: 0, complete: true });
    expect(report).toMatchObject({ lost: 1, wrong: 0 });
  });
});

describe('event streams', () => {
  it('that end between two events go on where they were', async () => {
    const report = await streamOn({ events: ['clean', 'clean'] }, 'events', 3);
    expect(report.operations.events).toMatchObject({ requests: 3, ok: 3, lost: 0, wrong: 0 });
    expect(report.operations.events.items).toBeGreaterThan(6);
  });

  it('are lost when cut, whether in mid-event or not, and when they fall silent', async () => {
    const report = await streamOn(
      { events: ['cut-mid-event', 'end-mid-event', 'cut-between-events', 'silent'] },
      'events',
      5,
    );
    expect(lostKinds(report)).toEqual(['event-cut', 'event-cut', 'cut-short', 'timeout']);
    expect(report.operations.events).toMatchObject({ requests: 5, ok: 1, lost: 4, wrong: 0 });
  });

  it('are wrong when an event is missing or another than it must be', async () => {
    const report = await streamOn({ events: ['gap', 'wrong-checksum'] }, 'events', 3);
    expect(report.wrongDetails.map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/gap of 3/),
      expect.stringMatching(/wrong checksum/),
    ]);
    expect(report.operations.events).toMatchObject({ lost: 0, wrong: 2 });
  });

  it('that a release refuses are failed by it', async () => {
    const report = await streamOn({ events: ['release-error'] }, 'events', 2);
    expect(report.operations.events).toMatchObject({ requests: 2, ok: 1, lost: 0, failedByRelease: 1 });
  });
});

describe('WebSockets', () => {
  it('closed with 1001 or 1012 go on where they were', async () => {
    const report = await streamOn({ sockets: ['1001', '1012'] }, 'ws', 3);
    expect(report.operations.ws).toMatchObject({ requests: 3, ok: 3, lost: 0, wrong: 0 });
  });

  it('closed in any other way are lost', async () => {
    const report = await streamOn({ sockets: ['1006', '1000', '1011', 'silent', 'router-error'] }, 'ws', 6);
    expect(lostKinds(report)).toEqual([
      'websocket-closed',
      'websocket-closed',
      'websocket-closed',
      'timeout',
      'proxy-error',
    ]);
    expect(report.lostDetails[0]?.detail).toContain('1006');
    expect(report.operations.ws).toMatchObject({ requests: 6, ok: 1, lost: 5, wrong: 0 });
  });

  it('are wrong when an echo is missing or another than it must be', async () => {
    const skipped = await streamOn({ sockets: ['skip'] }, 'ws', 1);
    expect(skipped.operations.ws).toMatchObject({ requests: 1, ok: 1, lost: 0, wrong: 1 });
    expect(skipped.wrongDetails[0]?.detail).toContain('gap of 1');
    await platform?.close();
    const changed = await streamOn({ sockets: ['wrong-checksum'] }, 'ws', 1);
    expect(changed.operations.ws).toMatchObject({ requests: 1, ok: 1, lost: 0, wrong: 1 });
  });

  it('that a release refuses are failed by it', async () => {
    const report = await streamOn({ sockets: ['release-error'] }, 'ws', 2);
    expect(report.operations.ws).toMatchObject({ requests: 2, ok: 1, lost: 0, failedByRelease: 1 });
  });
});
