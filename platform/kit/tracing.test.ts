import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sql } from 'kysely';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { connect } from '../database/connect.ts';
import { freshDatabase } from '../rig/fresh-database.ts';
import { createCaller } from './call.ts';
import { startService, type ServiceContext, type ServiceName, type StartedService } from './service.ts';

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface Span {
  readonly service: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly Attribute[];
}

interface Collector {
  readonly url: string;
  readonly spans: Span[];
  readonly text: () => string;
  close(): void;
}

/** Takes OTLP over HTTP as JSON, as a collector does. */
async function startCollector(): Promise<Collector> {
  const spans: Span[] = [];
  let text = '';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      text += body;
      const { resourceSpans } = JSON.parse(body) as {
        resourceSpans: {
          resource: { attributes: Attribute[] };
          scopeSpans: { spans: Omit<Span, 'service' | 'resource'>[] }[];
        }[];
      };
      for (const { resource, scopeSpans } of resourceSpans) {
        const facts = Object.fromEntries(resource.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
        for (const { spans: found } of scopeSpans) {
          for (const span of found) spans.push({ ...span, service: String(facts['service.name']), resource: facts });
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    text: () => text,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(
  name: ServiceName,
  begin: (context: ServiceContext<object>) => { close?(): Promise<void> },
  environment: Record<string, string>,
): Promise<StartedService> {
  const service = await startService(
    { name, settings: z.object({}), start: (context) => Promise.resolve(begin(context)) },
    {
      PORT: '0',
      METRICS_PORT: 'any',
      LOG_LEVEL: 'silent',
      VEZA_RELEASE: `${name}-r2`,
      VEZA_DEPLOYMENT: 'dep_7',
      VEZA_SLOT: 'green',
      ...environment,
    },
  );
  cleanups.push(() => service.stop());
  return service;
}

describe('traces', () => {
  test('go from service to service and into the database, and say which release and deployment served', async () => {
    const collector = await startCollector();
    cleanups.push(() => collector.close());
    const fresh = await freshDatabase();
    cleanups.push(() => fresh.drop());
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const identity = await start(
      'identity',
      ({ app, metrics, log }) => {
        const database = connect<object>({ url: fresh.url, schema: 'identity', metrics, log });
        app.post('/internal/v1/people/:id', { schema: { body: z.object({ email: z.string() }) } }, async (request) => {
          await sql`select ${request.body.email}::text as email from pg_class limit 1`.execute(database.write);
          return { ok: true };
        });
        return { close: () => database.close() };
      },
      environment,
    );
    const api = await start(
      'api',
      ({ app }) => {
        const call = createCaller({ service: 'identity', url: identity.url });
        app.get('/api/v1/people/:id', async () => {
          const answer = await call('/internal/v1/people/4711', { method: 'POST', json: { email: 'ada@example.com' } });
          return { ok: answer.ok };
        });
        return {};
      },
      environment,
    );

    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const answer = await fetch(`${api.url}/api/v1/people/ada@example.com?secret=1`, {
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, 'user-agent': 'Mozilla/5.0 canary' },
    });
    expect(await answer.json()).toEqual({ ok: true });
    const exposition = await (
      await fetch(api.metricsUrl ?? '', { headers: { accept: 'application/openmetrics-text' } })
    ).text();
    for (const stop of cleanups.splice(2)) await stop();

    const mine = collector.spans.filter((span) => span.traceId === traceId);
    const chain = ['GET /api/v1/people/:id', 'POST identity', 'POST /internal/v1/people/:id', 'select pg_class'];
    const ordered = chain.map((name) => mine.find((span) => span.name === name));
    expect(ordered.map((span) => span?.name)).toEqual(chain);
    expect(ordered.map((span) => span?.parentSpanId)).toEqual([
      '00f067aa0ba902b7',
      ...ordered.slice(0, 3).map((span) => span?.spanId),
    ]);
    expect(ordered.map((span) => span?.service)).toEqual(['api', 'api', 'identity', 'identity']);
    for (const span of ordered) {
      expect(span?.resource).toMatchObject({
        release: `${span?.service ?? ''}-r2`,
        deployment: 'dep_7',
        slot: 'green',
      });
    }
    // An allow-list of facts: nothing of who asked for what.
    for (const personal of ['ada@', 'example.com', 'secret', 'Mozilla', '4711'])
      expect(collector.text()).not.toContain(personal);
    expect(exposition).toContain(`# {trace_id="${traceId}"}`);
  });

  test('cost no request anything when the collector is away or stands still', async () => {
    const silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    cleanups.push(() => {
      silent.closeAllConnections();
      silent.close();
    });
    for (const endpoint of ['http://127.0.0.1:1', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`]) {
      const service = await start(
        'api',
        ({ app }) => {
          app.get('/api/v1/x', () => ({}));
          return {};
        },
        { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
      );
      const statuses = await Promise.all(
        Array.from({ length: 200 }, async () => (await fetch(`${service.url}/api/v1/x`)).status),
      );
      expect(statuses.every((status) => status === 200)).toBe(true);
      const began = performance.now();
      await service.stop();
      expect(performance.now() - began).toBeLessThan(6000);
    }
  });
});

describe('a call to another service', () => {
  const settings = { service: 'identity', url: 'http://127.0.0.1:1' };

  test('is tried once more when an idempotent one was refused, and not otherwise', async () => {
    const tries: string[] = [];
    const refusing: typeof fetch = (_url, init) => {
      tries.push(init?.method ?? '');
      return Promise.reject(
        new TypeError('fetch failed', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) }),
      );
    };
    const call = createCaller({ ...settings, fetch: refusing });
    await expect(call('/x')).rejects.toMatchObject({ status: 503, code: 'identity-unavailable' });
    await expect(call('/x', { method: 'POST' })).rejects.toMatchObject({ status: 503, code: 'identity-unavailable' });
    expect(tries).toEqual(['GET', 'GET', 'POST']);
  });

  test('is given up when there is no answer in time', async () => {
    const server = createServer(() => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const call = createCaller({
      service: 'chat',
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      timeoutMs: 100,
    });
    await expect(call('/x')).rejects.toMatchObject({ status: 504, code: 'chat-too-slow' });
  });
});
