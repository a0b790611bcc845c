import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startLoad } from '../../src/load/load.ts';
import type { LoadReport } from '../../src/load/report.ts';
import {
  serviceFolder,
  startDemoPlatform,
  startService,
  statusOf,
  waitFor,
  type DemoPlatform,
  type StartedProcess,
} from './load-demo-platform.ts';

describe('the demo platform, run directly', () => {
  let demo: DemoPlatform;
  beforeAll(async () => {
    demo = await startDemoPlatform();
  });
  afterAll(async () => demo.stop());

  it('loses nothing and answers nothing wrong at 200 requests a second', async () => {
    const report = await startLoad({
      target: demo.web.url,
      apiTarget: demo.api.url,
      rate: 200,
      duration: '4s',
    }).finished;
    expect(report.lostDetails).toEqual([]);
    expect(report.wrongDetails).toEqual([]);
    expect(report).toMatchObject({ requests: 810, lost: 0, wrong: 0, failedByRelease: 0, skipped: 0, inFlight: 0 });
    expect(report.operations.upload).toMatchObject({ requests: 2, ok: 2 });
    expect(report.operations.events.items).toBeGreaterThan(100);
    expect(report.operations.ws.items).toBeGreaterThan(100);
    expect(report.acknowledged).toMatchObject({ acknowledged: 160, found: 160, missing: 0, complete: true });
    expect(report.chains).toEqual({ 'v1 v1 v1': 80 });
    expect(Object.keys(report.releases).toSorted()).toEqual(['api v1', 'web v1']);
  });

  it('shows a person which release of each service answers', async () => {
    const answer = await fetch(demo.web.url);
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/html');
    expect(text.match(/<td class="version">v1<\/td>/g)).toHaveLength(3);
  });

  it('passes the arm and the id of a request on, and who failed back', async () => {
    const seen: string[] = [];
    const worker = createServer((incoming, response) => {
      seen.push(`${String(incoming.headers['x-veza-arm'])} ${String(incoming.headers['x-request-id'])}`);
      response.writeHead(500, { 'x-veza-release': 'rel_worker' }).end('{}');
    });
    await new Promise<void>((resolve) => worker.listen(0, '127.0.0.1', resolve));
    const address = worker.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const api = await startService(serviceFolder('api'), { WORKER_URL: `http://127.0.0.1:${port}` }, '/health');
    const web = await startService(serviceFolder('web'), { API_URL: api.url });
    try {
      const ask = async () =>
        fetch(`${web.url}/chain?n=1`, { headers: { 'x-veza-arm': 'candidate', 'x-request-id': 'id-1' } });
      const failed = await ask();
      expect(failed.status).toBe(502);
      expect(failed.headers.get('x-demo-failed-by')).toBe('rel_worker');
      expect(seen).toEqual(['candidate id-1']);
      worker.closeAllConnections();
      await new Promise((resolve) => worker.close(resolve));
      const lost = await ask();
      expect(lost.status).toBe(502);
      expect(lost.headers.get('x-demo-lost')).toMatch(/ECONNREFUSED/);
    } finally {
      await web.stop();
      await api.stop();
    }
  });

  it('is not ready without its database, and says why', async () => {
    const api = await startService(
      serviceFolder('api'),
      { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' },
      '/health',
    );
    try {
      const answer = await fetch(`${api.url}/ready`);
      expect(answer.status).toBe(503);
      expect(JSON.stringify(await answer.json())).toContain('ECONNREFUSED');
    } finally {
      expect(await api.stop()).toBe(0);
    }
  });

  it('gives a report when the load client is told to stop', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'veza-load-'));
    const json = join(folder, 'out.json');
    const program = join(import.meta.dirname, '../../src/load/main.ts');
    const options = ['--rate', '50', '--snapshots', '--json', json, '--host', 'demo.local'];
    const child = spawn(
      process.execPath,
      [program, '--target', demo.web.url, '--api-target', demo.api.url, ...options],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await waitFor('a snapshot', async () => output.includes('\n'));
    child.kill('SIGTERM');
    const [status] = (await once(child, 'exit')) as [number];
    const report = JSON.parse(await readFile(json, 'utf8')) as LoadReport;
    await rm(folder, { recursive: true });
    expect(report).toMatchObject({ host: 'demo.local', lost: 0, wrong: 0, acknowledged: { complete: true } });
    expect(report.requests).toBeGreaterThan(40);
    expect(status).toBe(0);
  });

  it('stops without cutting anything: answers are finished, streams ended, sockets closed with 1001', async () => {
    const web = await startService(serviceFolder('web'), { API_URL: demo.api.url });
    const run = startLoad({ target: web.url, rate: 1, uploadEveryMs: 0, mix: { chain: 0, post: 0, read: 0 } });
    await waitFor('items on all streams', async () => run.snapshot().items > 16);
    // Nothing scheduled is in flight between two requests of this rate; what is cut would be one of the eight streams.
    expect(await web.stop()).toBe(0);
    const report = await run.stop();
    expect(report.lostDetails.filter(({ kind }) => kind !== 'refused')).toEqual([]);
    expect(report.operations.events.ok).toBeGreaterThanOrEqual(4);
    expect(report.operations.ws.ok).toBeGreaterThanOrEqual(4);
  });
});

describe('a release goes wrong by one line of behaviour.json:', () => {
  let folder = '';
  let started: StartedProcess | null = null;
  afterEach(async () => {
    started?.child.kill('SIGKILL');
    started = null;
    await rm(folder, { recursive: true, force: true });
  });

  async function workerWith(change: Readonly<Record<string, unknown>>): Promise<string> {
    folder = await mkdtemp(join(tmpdir(), 'veza-load-worker-'));
    await cp(serviceFolder('worker'), folder, { recursive: true });
    const file = join(folder, 'behaviour.json');
    const behaviour = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...behaviour, ...change }));
    return folder;
  }
  const checksum = async (url: string, timeoutMs = 5000) =>
    fetch(`${url}/checksum`, { method: 'POST', body: 'x', signal: AbortSignal.timeout(timeoutMs) });

  it('never ready', async () => {
    started = await startService(await workerWith({ neverReady: true }), {}, '/health');
    expect(await statusOf(`${started.url}/ready`)).toBe(503);
  });

  it('crash at start', async () => {
    const starting = startService(await workerWith({ crashAtStart: true }), {});
    await expect(starting).rejects.toThrow(/crashes at start/);
  });

  it('crash after some seconds', async () => {
    started = await startService(await workerWith({ crashAfterSeconds: 0.5 }), {});
    const [status] = (await once(started.child, 'exit')) as [number];
    expect(status).toBe(1);
    expect(started.output()).toContain('crashes after 0.5 s');
  });

  it('fail a share of requests', async () => {
    started = await startService(await workerWith({ failPercent: 20, workMs: 0, version: 'v3' }), {});
    let failed = 0;
    for (let n = 0; n < 500; n += 1) {
      const answer = await checksum(started.url);
      await answer.arrayBuffer();
      expect(answer.headers.get('x-demo-release')).toBe('worker v3');
      if (answer.status === 500) failed += 1;
    }
    // 20 % of 500 by chance: outside these limits once in about ten million runs.
    expect(failed).toBeGreaterThan(52);
    expect(failed).toBeLessThan(152);
  });

  it('five times slower', async () => {
    started = await startService(await workerWith({ workMs: 20, slowFactor: 5 }), {});
    const start = performance.now();
    expect((await checksum(started.url)).status).toBe(200);
    expect(performance.now() - start).toBeGreaterThanOrEqual(99);
  });

  it('hang', async () => {
    started = await startService(await workerWith({ hang: true }), {});
    await expect(checksum(started.url, 300)).rejects.toThrow(/timeout/);
    expect(await statusOf(`${started.url}/ready`)).toBe(200);
  });

  it('leak memory', async () => {
    started = await startService(await workerWith({ leakMbPerSecond: 200 }), {});
    const { pid } = started.child;
    await waitFor('200 MB', async () => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) > 200_000;
    });
  });

  it('ignore SIGTERM', async () => {
    const worker = await startService(await workerWith({ ignoreSigterm: true }), {});
    started = worker;
    worker.child.kill('SIGTERM');
    // Answered by the same process, after the signal was delivered.
    expect((await checksum(worker.url)).status).toBe(200);
    expect(worker.child.exitCode).toBeNull();
    expect(worker.output()).not.toContain('stops');
  });
});

it.each([
  ['chassis.ts', ['web', 'api', 'worker']],
  ['behaviour.ts', ['web', 'api', 'worker']],
  ['call.ts', ['web', 'api']],
  ['body.ts', ['api', 'worker']],
] as const)('%s is the same in every service that has a copy', async (file, owners) => {
  const copies = await Promise.all(owners.map(async (name) => readFile(join(serviceFolder(name), file), 'utf8')));
  expect(new Set(copies).size).toBe(1);
});
