import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { ForecastView } from '../../src/api/forecast-schemas.ts';
import { readPage } from '../../src/cli/report/testing/read-page.ts';
import { reportPage } from '../../src/cli/report/page.ts';
import { shop, simulatedInput, simulatedRecord } from '../../src/cli/report/testing/simulated-report.ts';
import { Sandbox } from './bad-input-sandbox.ts';

// `veza plan` before and after there were users, a bad release taken back, and the page that is kept of it.

const run = promisify(execFile);
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const browser =
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => BROWSERS.map((name) => join(folder, name)))
    .find((file) => existsSync(file)) ?? null;

let sandbox: Sandbox | null = null;
let stopUsers: (() => Promise<void>) | null = null;
const folders: string[] = [];

afterEach(async () => {
  await stopUsers?.();
  await sandbox?.[Symbol.asyncDispose]();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  stopUsers = null;
  sandbox = null;
});

/** Four users, together some 100 requests a second. */
function startUsers(url: string): () => Promise<void> {
  const stop = new AbortController();
  const one = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await new Promise<void>((resolve) => {
        const asked = request(`${url}/items/17`, (answer) => answer.resume().once('close', resolve));
        asked.once('error', () => resolve());
        asked.end();
      });
      await new Promise((resolve) => setTimeout(resolve, 35));
    }
  };
  const ended = Promise.all([one(), one(), one(), one()]);
  return async () => {
    stop.abort();
    await ended;
  };
}

const program = (fails: boolean): string => `import { createServer } from 'node:http';
const server = createServer((request, response) => {
  if (${fails} && request.url.startsWith('/items')) return void response.writeHead(500).end('no <script>alert(1)</script>');
  response.end('ok');
});
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** What the browser's console says, and the page as it stands then. */
async function opened(file: string): Promise<{ readonly dom: string; readonly console: readonly string[] }> {
  const profile = await mkdtemp(join(tmpdir(), 'veza-browser-'));
  folders.push(profile);
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];
  const quiet = ['--disable-component-update', '--disable-sync', '--disable-quic', `--user-data-dir=${profile}`];
  const { stdout, stderr } = await run(
    browser ?? '',
    [...flags, ...quiet, '--enable-logging=stderr', '--dump-dom', pathToFileURL(file).href],
    { maxBuffer: 20_000_000, timeout: 60_000 },
  );
  return { dom: stdout, console: stderr.split('\n').filter((line) => line.includes('CONSOLE')) };
}

describe('plan and report', () => {
  test(
    'a plan knows nothing, then what it sees; a bad release is taken back and written down',
    { timeout: 420_000 },
    async (context) => {
      const strategy = { kind: 'canary', steps: [{ weight: 20, hold: '20s' }], watch: '2s', keepWarm: '1s' };
      const platform = await Sandbox.create({ service: { strategy } });
      sandbox = platform;
      const file = join(platform.dir, 'hello/server.mjs');
      await writeFile(file, program(false));
      await platform.commit('Sell <things> & "more"');
      const up = await platform.veza(['up']);
      expect(up, up.stderr).toMatchObject({ status: 0 });

      // When nothing is deployed, a plan says so and what would be
      const first = await platform.veza(['plan']);
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expect(first.stdout).toContain('nothing has been observed yet');
      expect(first.stdout).toContain('would bring hello live');
      const deployed = await platform.veza(['deploy']);
      expect(deployed, deployed.stderr).toMatchObject({ status: 0 });
      const unchanged = await platform.veza(['plan']);
      expect(unchanged.stdout).toContain('Nothing would be deployed');

      // When a change is not committed, a deployment would be refused, and so says the plan
      await writeFile(file, program(true));
      const dirty = await platform.veza(['plan', 'hello']);
      expect(dirty).toMatchObject({ status: 4 });
      expect(dirty.stdout).toContain('not committed');
      await platform.commit('Show totals');

      // When there have been users for a minute, it knows what it would see
      stopUsers = startUsers(platform.url);
      const plan = async (): Promise<ForecastView> =>
        JSON.parse((await platform.veza(['plan', '--json'])).stdout) as ForecastView;
      await expect
        .poll(async () => (await plan()).services[0]?.traffic ?? null, { timeout: 180_000, interval: 2_000 })
        .not.toBeNull();
      const [service] = (await plan()).services;
      expect(service?.traffic?.typical.requestsPerSecond).toBeGreaterThan(5);
      expect(service?.next).toMatchObject({ subject: 'Show totals', release: null });
      expect(service?.commits.map(({ subject }) => subject)).toEqual(['Show totals']);
      const total = service?.faults.find(({ share }) => share === 1);
      expect(total?.seconds.typical).toBeGreaterThan(0);
      expect(total?.seconds.typical).toBeLessThanOrEqual(20);
      expect(service?.stages[0]?.smallest.typical).toBeGreaterThan(0.001);
      const text = await platform.veza(['plan']);
      expect(text.stdout).toMatch(/20 % +20 s/);

      // When the release that fails is deployed, it is taken back, and a page says why
      const bad = await platform.veza(['deploy']);
      expect(bad, bad.stderr).toMatchObject({ status: 5 });
      await stopUsers();
      const output = join(platform.dir, 'report.html');
      const written = await platform.veza(['report', '-o', output]);
      expect(written, written.stderr).toMatchObject({ status: 0 });
      const page = await readFile(output, 'utf8');
      const read = readPage(page);
      expect(/<h1>([^<]*)/.exec(page)?.[1]).toMatch(/^hello was taken back/);
      expect(read.text).toContain('GET /items/:id');
      expect(read.text).toContain('Show totals');
      expect(page).not.toContain('Sell <things>');
      expect(read.tags.filter(({ name }) => name === 'svg').length).toBeGreaterThanOrEqual(10);
      expect(Buffer.byteLength(page)).toBeLessThan(500_000);

      // And where it cannot be written, it says so and what to do
      const nowhere = await platform.veza(['report', '-o', join(platform.dir, 'none/report.html')]);
      expect(nowhere).toMatchObject({ status: 1 });
      expect(nowhere.stderr).toContain('its folder does not exist');

      if (browser === null) return context.skip('no Chromium');
      const shown = await opened(output);
      expect(shown.console).toEqual([]);
      expect(shown.dom).toContain('hello was taken back');
    },
  );

  test.skipIf(browser === null)('hostile texts stay texts in a browser', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'veza-report-'));
    folders.push(folder);
    const hostile =
      '<script>console.error(1)</script><img src=x onerror="console.error(2)">\'"`</style></title></svg>-->';
    const routes = shop(0.06).map((route) => ({ ...route, route: `${hostile}${route.route}` }));
    const file = join(folder, 'hostile.html');
    const record = { ...simulatedRecord(11, routes), service: hostile };
    await writeFile(file, reportPage(simulatedInput(record, (text) => `${hostile}${text}`)));
    const { dom, console: said } = await opened(file);
    expect(said).toEqual([]);
    expect(dom).not.toMatch(/<img|<script>console/);
    expect(dom).toContain('&lt;script&gt;console.error(1)&lt;/script&gt;');
  });
});
