import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { internalOnly } from './authentication.ts';
import { Problem } from './problem.ts';
import { startService, type RunningService, type ServiceContext, type StartedService } from './service.ts';

type Context = ServiceContext<object>;

const started: StartedService[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.stop()));
});

async function start(
  begin: (context: Context) => RunningService | Promise<RunningService>,
  environment: Record<string, string> = {},
): Promise<StartedService> {
  const service = await startService(
    { name: 'api', settings: z.object({}), start: async (context) => await begin(context) },
    { PORT: '0', METRICS_PORT: 'any', LOG_LEVEL: 'silent', ...environment },
  );
  started.push(service);
  return service;
}

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
}

/** Asks on a kept connection. Rejects with the system's error. */
function ask(url: string, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, (response) => {
      response.resume();
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, connection: response.headers.connection }),
      );
      response.once('error', reject);
    });
    asked.once('error', reject);
    asked.end();
  });
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not come about in time');
    await sleep(10);
  }
}

describe('the drain', () => {
  test('loses no request, on kept connections and on new ones, while a router notices that it drains', async () => {
    const service = await start(({ app }) => {
      app.get('/api/v1/slow', async () => {
        await sleep(5);
        return { ok: true };
      });
      return {};
    });
    const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: false })];
    const outcomes = new Map<string, number>();
    const note = (outcome: string): void => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    // What a router does: it asks now and then whether the instance is ready, and sends to it until it hears that it is not.
    let isSending = true;
    const router = async (): Promise<void> => {
      while (isSending) {
        await sleep(50);
        if ((await fetch(`${service.url}/readyz`)).status !== 200) isSending = false;
      }
    };
    const client = async (agent: Agent): Promise<void> => {
      while (isSending) {
        try {
          note(String((await ask(`${service.url}/api/v1/slow`, agent)).status));
        } catch (error) {
          note((error as NodeJS.ErrnoException).code ?? 'unknown');
        }
      }
    };
    const working = [
      router(),
      ...Array.from({ length: 12 }, (_, index) =>
        client(index % 2 === 0 ? (agents[0] as Agent) : (agents[1] as Agent)),
      ),
    ];
    await until(() => (outcomes.get('200') ?? 0) > 100);
    const before = outcomes.get('200') ?? 0;
    await service.stop();
    await Promise.all(working);
    for (const agent of agents) agent.destroy();
    expect([...outcomes.keys()]).toEqual(['200']);
    expect(outcomes.get('200')).toBeGreaterThan(before);
  });

  test('is not ready at once, still answers on kept connections, tells them to close, and closes them last', async () => {
    const told: string[] = [];
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let signal: AbortSignal | null = null;
    const service = await start(({ app, draining }) => {
      signal = draining;
      app.get('/api/v1/held', async () => {
        await held;
        told.push('answered');
        return {};
      });
      return {
        drain: () => void told.push('drain'),
        close: () => {
          told.push('close');
          return Promise.resolve();
        },
      };
    });
    // one connection each: one is busy when the drain begins, the other idle
    const busy = new Agent({ keepAlive: true, maxSockets: 1 });
    const idle = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await ask(`${service.url}/readyz`, idle)).toEqual({ status: 200, connection: 'keep-alive' });
    const underWay = ask(`${service.url}/api/v1/held`, busy);
    await until(async () => (await metricOf(service, 'http_server_active_requests')) === 1);

    const stopping = service.stop();
    expect(signal).toMatchObject({ aborted: true });
    expect(await ask(`${service.url}/readyz`, idle)).toEqual({ status: 503, connection: 'close' });
    letGo();
    expect(await underWay).toEqual({ status: 200, connection: 'close' });
    await stopping;
    expect(told).toEqual(['drain', 'answered', 'close']);
    await expect(ask(`${service.url}/readyz`, idle)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('cuts off what does not end in time, and still closes', async () => {
    let closed = false;
    const service = await start(
      ({ app }) => {
        app.get('/api/v1/endless', () => new Promise(() => undefined));
        return {
          close: () => {
            closed = true;
            return Promise.resolve();
          },
        };
      },
      { DRAIN_TIMEOUT_MS: '300' },
    );
    const agent = new Agent();
    const asked = ask(`${service.url}/api/v1/endless`, agent).catch((error: NodeJS.ErrnoException) => error.code);
    await until(async () => (await metricOf(service, 'http_server_active_requests')) === 1);
    const began = performance.now();
    await service.stop();
    expect(performance.now() - began).toBeLessThan(5000);
    expect(await asked).toBe('ECONNRESET');
    expect(closed).toBe(true);
  });
});

async function metricOf(service: StartedService, name: string): Promise<number> {
  const text = await (await fetch(service.metricsUrl ?? '')).text();
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)`, 'm').exec(text)?.[1]);
}

describe('readiness', () => {
  test('follows critical dependencies, and does not ask them for each request', async () => {
    let isUp = true;
    let asked = 0;
    const service = await start(({ dependency }) => {
      dependency('database', () => {
        asked += 1;
        return isUp ? Promise.resolve() : Promise.reject(new Error('away'));
      });
      dependency('cache', () => Promise.reject(new Error('away')), { critical: false });
      return {};
    });
    const ready = async (): Promise<number> => (await fetch(`${service.url}/readyz`)).status;
    await until(async () => (await ready()) === 200);
    for (let time = 0; time < 20; time += 1) await ready();
    expect(asked).toBeLessThan(5);
    expect(await (await fetch(`${service.url}/readyz`)).json()).toEqual({
      ready: true,
      draining: false,
      dependencies: { database: 'up', cache: 'down' },
    });
    isUp = false;
    await until(async () => (await ready()) === 503);
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);
    isUp = true;
    await until(async () => (await ready()) === 200);
  }, 20_000);

  test('does not wait for a check that hangs', async () => {
    const service = await start(({ dependency }) => {
      dependency('database', () => new Promise(() => undefined));
      return {};
    });
    expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
    await service.stop();
  });
});

describe('problems', () => {
  test('are documents of RFC 9457, and tell nothing of what was not foreseen', async () => {
    const service = await start(({ app }) => {
      app.get('/api/v1/known', () => {
        throw new Problem(409, 'wrong-offset', 'The upload is further on.', {
          members: { offset: 7 },
          retryAfterSeconds: 1.2,
        });
      });
      app.get('/api/v1/unknown', () => {
        throw new Error('select * from passwords');
      });
      app.post('/api/v1/checked', { schema: { body: z.object({ name: z.string().max(3) }) } }, () => null);
      return {};
    });
    const known = await fetch(`${service.url}/api/v1/known`);
    expect(known.headers.get('content-type')).toBe('application/problem+json');
    expect(known.headers.get('retry-after')).toBe('2');
    expect([known.status, await known.json()]).toEqual([
      409,
      {
        type: 'urn:veza:problem:wrong-offset',
        title: 'Conflict',
        status: 409,
        code: 'wrong-offset',
        detail: 'The upload is further on.',
        offset: 7,
      },
    ]);
    const unknown = await fetch(`${service.url}/api/v1/unknown`);
    const text = await unknown.text();
    expect([unknown.status, text.includes('passwords')]).toEqual([500, false]);

    const post = (body: string, type = 'application/json'): Promise<Response> =>
      fetch(`${service.url}/api/v1/checked`, { method: 'POST', body, headers: { 'content-type': type } });
    const codes = await Promise.all(
      [post('{"name":"long one"}'), post('{'), post('x', 'text/csv'), post(`{"name":"${'x'.repeat(2 ** 21)}"}`)].map(
        async (answer) => [(await answer).status, ((await (await answer).json()) as { code: string }).code],
      ),
    );
    expect(codes).toEqual([
      [400, 'invalid-request'],
      [400, 'invalid-json'],
      [415, 'unsupported-media-type'],
      [413, 'too-large'],
    ]);
  });
});

describe('internal paths', () => {
  test('let in who knows the key, and nobody else', async () => {
    const key = 'k'.repeat(40);
    const service = await start(({ app }) => {
      app.get('/internal/v1/secret', { preHandler: internalOnly(key) }, () => ({ ok: true }));
      return {};
    });
    const statusWith = async (authorization?: string): Promise<number> =>
      (
        await fetch(`${service.url}/internal/v1/secret`, {
          headers: authorization === undefined ? {} : { authorization },
        })
      ).status;
    expect(await statusWith(`Bearer ${key}`)).toBe(200);
    for (const wrong of [undefined, 'Bearer ', `Bearer ${key}x`, `Bearer ${key.slice(1)}`, `Basic ${key}`, key]) {
      expect(await statusWith(wrong)).toBe(401);
    }
  });
});

describe('metrics', () => {
  test('are on a port of their own alone, by route template', async () => {
    const service = await start(({ app }) => {
      app.get('/api/v1/songs/:id', () => ({}));
      return {};
    });
    for (const id of ['1', '2', '3']) await fetch(`${service.url}/api/v1/songs/${id}`);
    await fetch(`${service.url}/no/such/path`);
    expect((await fetch(`${service.url}/metrics`)).status).toBe(404);
    expect((await fetch((service.metricsUrl ?? '').replace('/metrics', '/readyz'))).status).toBe(404);
    const text = await (await fetch(service.metricsUrl ?? '')).text();
    expect(text).toContain(
      'http_server_request_duration_seconds_count{method="GET",route="/api/v1/songs/:id",status="200"} 3',
    );
    expect(text).toMatch(/_count\{method="GET",route="none",status="404"\} 2/);
    expect(text).not.toContain('/no/such');
    expect(text).not.toContain('/songs/1');
    for (const name of [
      'event_loop_delay_seconds{quantile="0.99"}',
      'http_server_active_requests',
      'process_resident_memory_bytes',
      'build_info{service="api"',
    ]) {
      expect(text).toContain(name);
    }
  });

  test('come as OpenMetrics to who asks for it', async () => {
    const service = await start(() => ({}));
    const answer = await fetch(service.metricsUrl ?? '', {
      headers: { accept: 'application/openmetrics-text; version=1.0.0' },
    });
    expect(answer.headers.get('content-type')).toContain('application/openmetrics-text');
    expect(await answer.text()).toMatch(
      /# TYPE process_cpu_seconds counter\n[^#]*process_cpu_seconds_total [^]*# EOF\n$/,
    );
  });
});

describe('the OpenAPI document', () => {
  test('has the public routes with their schemas, and no internal one', async () => {
    const service = await start(({ app }) => {
      app.get(
        '/api/v1/songs/:id',
        { schema: { params: z.object({ id: z.uuid() }), response: { 200: z.object({ title: z.string() }) } } },
        () => ({ title: 'x' }),
      );
      app.get('/internal/v1/people/:id', () => ({}));
      return {};
    });
    const document = (await (await fetch(`${service.url}/api/v1/openapi.json`)).json()) as {
      openapi: string;
      paths: object;
    };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(['/api/v1/songs/{id}']);
    expect(JSON.stringify(document.paths)).toContain('"format":"uuid"');
  });
});
