import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { ExplanationView } from '../../src/api/explanation-schemas.ts';
import { Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';

// A release fails on one of its routes. Veza takes it back, names the route, and can show that it had to.

const ROUTES = ['/', '/cart', '/orders/17', '/search', '/profile'];

let sandbox: Sandbox | null = null;
let users: Users | null = null;

afterEach(async () => {
  await users?.stop();
  await sandbox?.[Symbol.asyncDispose]();
  users = null;
  sandbox = null;
});

/** Some 100 requests a second over all routes, each with a trace of its own. */
class Users {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #ended: Promise<unknown>;
  #stopped = false;
  answers = 0;

  constructor(url: string) {
    this.#ended = Promise.all(Array.from({ length: 4 }, (_, index) => this.#one(url, index)));
  }

  async #one(url: string, index: number): Promise<void> {
    for (let count = index; !this.#stopped; count += 1) {
      await this.#ask(`${url}${ROUTES[count % ROUTES.length] ?? '/'}`);
      await new Promise((resolve) => setTimeout(resolve, 35));
    }
  }

  #ask(url: string): Promise<void> {
    const traceparent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
    return new Promise((resolve) => {
      const asked = request(url, { agent: this.#agent, headers: { traceparent } }, (answer) => {
        answer.resume();
        answer.once('close', () => {
          this.answers += 1;
          resolve();
        });
      });
      asked.once('error', () => resolve());
      asked.end();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    this.#agent.destroy();
  }
}

const program = (broken: string | null): string => `import { createServer } from 'node:http';
const broken = ${JSON.stringify(broken)};
const server = createServer((request, response) => {
  if (request.url !== broken) return void response.end('ok');
  const trace = (request.headers.traceparent ?? '').split('-')[1];
  console.error('TypeError: total of undefined, trace=' + trace + ' user=ana@example.com key=' + process.env.SHOP_KEY);
  response.writeHead(500).end('no');
});
server.listen(Number(process.env.PORT), process.env.HOST, () => console.log('listens'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

const strategy = {
  kind: 'canary',
  steps: [{ weight: 20, hold: '60s' }],
  watch: '2s',
  keepWarm: '1s',
  // Nothing but the comparison speaks here.
  // Out of the way: a fifth of all requests is above a usual limit, too, and either may be the first to decide.
  limits: { minSuccess: '50%', minRequests: 100_000 },
};

test('one route of five fails: show names it with its statuses, log and change, and replay agrees', async () => {
  const environment = { SHOP_KEY: { secret: 'SHOP_KEY' }, CURRENCY: 'USD' };
  const platform = await Sandbox.create({ service: { strategy, environment } });
  sandbox = platform;
  const file = join(platform.dir, 'hello/server.mjs');
  await writeFile(file, program(null));
  await platform.commit('Sell things');
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy']));
  const healthy = await succeeds(platform.veza(['show']));
  expect(healthy.stdout).not.toContain('Routes');
  users = new Users(platform.url);
  await writeFile(file, program('/orders/17'));
  await platform.declare({ service: { environment: { ...environment, CURRENCY: 'EUR' } } });
  await platform.commit('Show totals of orders');

  // When the release with the broken route meets users
  const deployed = await platform.veza(['deploy']);
  expect(deployed.status, deployed.stderr + deployed.stdout).toBe(5);

  // Then it says why, to people …
  const { stdout } = await succeeds(platform.veza(['show']));
  expect(stdout).toMatch(/✘|x GET \/orders\/:id/);
  expect(stdout).toMatch(/500 [×x]\d+/);
  expect(stdout).toContain('Show totals of orders');
  expect(stdout).toMatch(/environment\.CURRENCY "USD" (→|->) "EUR"/);
  expect(stdout).toContain('TypeError: total of undefined');
  expect(stdout).not.toContain('ana@example.com');

  // … and to programs: the route is found, and nothing else is
  const json = await succeeds(platform.veza(['show', '--json']));
  const { explanation } = JSON.parse(json.stdout) as { readonly explanation: ExplanationView };
  const [leg] = explanation.legs;
  expect(leg).toMatchObject({ service: 'hello', verdict: 'worse', rule: 'comparison', metric: 'errors', notes: [] });
  const routes = leg?.kept?.attribution.routes ?? [];
  expect(routes[0]).toMatchObject({ route: 'GET /orders/:id', kind: 'errors', stable: { events: 0 } });
  expect(routes.filter(({ certainty, route }) => certainty === 'found' && route !== 'GET /orders/:id')).toEqual([]);
  const traces = leg?.kept?.failures.map(({ traceId }) => traceId) ?? [];
  expect(traces.length).toBeGreaterThan(0);
  expect(leg?.logs[0]?.text).toContain(leg?.logs[0]?.id ?? 'no line names a trace');
  expect(traces).toContain(leg?.logs[0]?.id);
  expect(leg?.logs.every(({ text }) => text.endsWith('user=[e-mail] key=[secret]'))).toBe(true);
  expect(leg?.ratio?.low).toBeGreaterThan(1);

  // And the verdict comes out again, from the stored seconds alone
  const replayed = await succeeds(platform.veza(['replay', '--what-if', 'alpha=0.000001']));
  expect(replayed.stdout).toContain('the same as then: worse at');
  const machine = await succeeds(platform.veza(['replay', '--json']));
  expect(JSON.parse(machine.stdout)).toMatchObject({
    agrees: true,
    legs: [{ check: { disagreements: [], beyond: 0 } }],
  });
});
