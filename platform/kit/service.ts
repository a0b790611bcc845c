import type { z } from 'zod';
import { createApp, type App } from './app.ts';
import { builtInFault, faultHook } from './fault.ts';
import { Listener } from './listener.ts';
import { createLog, type Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { serveMetrics } from './metrics-server.ts';
import { collectRoutes, describeRoutes } from './openapi.ts';
import { Readiness, type Check } from './readiness.ts';
import { measureRequests } from './red.ts';
import { runProgram } from './run-program.ts';
import { readSettings, type BaseSettings } from './settings.ts';
import { startTracing } from './tracing.ts';

export type { App } from './app.ts';

export type ServiceName = 'identity' | 'api' | 'chat' | 'stream' | 'web';

/** A service: what it reads from its environment, and what it does with it. */
export interface ServiceDefinition<Shape extends z.ZodType> {
  readonly name: ServiceName;
  /** of the environment, beside what every service reads; keys are the names of the variables */
  readonly settings: Shape;
  /** an environment that will do for the `openapi` subcommand, which serves nobody */
  readonly example?: Readonly<Record<string, string>>;
  /** Adds the routes and opens what the service needs. What is away now does not keep a service from starting. */
  start(context: ServiceContext<z.output<Shape>>): Promise<RunningService>;
}

/** What a service gets from the kit. */
export interface ServiceContext<Settings> {
  readonly settings: Settings & BaseSettings;
  readonly app: App;
  readonly log: Log;
  readonly metrics: Metrics;
  /** aborted when the service is told to stop */
  readonly draining: AbortSignal;
  /** milliseconds since 1970 */
  readonly clock: () => number;
  /**
   * Has a dependency checked in the background, once a second.
   *
   * @param options.critical without it the service is not ready (the default); otherwise it is only degraded
   */
  readonly dependency: (name: string, check: Check, options?: { readonly critical: boolean }) => void;
}

export interface RunningService {
  /** The service was told to stop: ends what would go on for ever, such as WebSockets. */
  drain?(): void | Promise<void>;
  /** Nothing is under way any more: closes pools and the like. */
  close?(): Promise<void>;
}

export interface StartedService {
  readonly url: string;
  /** of `/metrics`, when METRICS_PORT is set */
  readonly metricsUrl: string | null;
  /** Drains and closes, as SIGTERM does. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly clock?: () => number;
  /** where log lines go, instead of standard output */
  readonly logTo?: { write(line: string): void };
}

/** The public beginning of a service's paths, where its OpenAPI document is. */
const PUBLIC_PREFIX: Readonly<Record<ServiceName, string | null>> = {
  identity: '/auth/v1',
  api: '/api/v1',
  chat: '/chat/v1',
  stream: '/media/v1',
  web: null,
};

/**
 * Starts a service in this process and listens.
 *
 * @throws SettingsRefused for an environment that it cannot run with; what the system says when a port is taken
 */
export async function startService<Shape extends z.ZodType>(
  definition: ServiceDefinition<Shape>,
  environment: Readonly<Record<string, string | undefined>>,
  options: StartOptions = {},
): Promise<StartedService> {
  const prepared = await prepare(definition, environment, options);
  const { settings, app, metrics, log } = prepared;
  const listener = new Listener(app.server);
  let metricsServer: Awaited<ReturnType<typeof serveMetrics>> | null = null;
  let url: string;
  try {
    await app.ready();
    const { METRICS_PORT } = settings;
    if (METRICS_PORT !== 0) {
      metricsServer = await serveMetrics(metrics, settings.HOST, METRICS_PORT === 'any' ? 0 : METRICS_PORT);
    }
    url = await listener.listen(settings.HOST, settings.PORT);
  } catch (error) {
    await metricsServer?.close();
    await prepared.close();
    throw error;
  }
  log.info({ port: Number(new URL(url).port) }, 'listening');

  let stopped: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    prepared.beginDrain();
    log.info({ count: listener.active }, 'draining');
    const cutOff = await listener.drain(async () => {
      try {
        await prepared.running.drain?.();
      } catch (error) {
        log.error({ error }, 'the service could not end what it had under way');
      }
    }, settings.DRAIN_TIMEOUT_MS);
    if (cutOff > 0) log.warn({ count: cutOff }, 'requests were cut off: they did not end in time');
    await prepared.close();
    await metricsServer?.close();
    log.info('stopped');
  };
  return { url, metricsUrl: metricsServer?.url ?? null, stop: () => (stopped ??= stop()) };
}

/** The OpenAPI document of a service, without listening. */
export async function describeService<Shape extends z.ZodType>(
  definition: ServiceDefinition<Shape>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<object> {
  const prepared = await prepare(definition, { ...definition.example, ...environment, LOG_LEVEL: 'silent' }, {});
  try {
    return await prepared.describe();
  } finally {
    await prepared.close();
  }
}

/**
 * The whole of a service's `main.ts`: serves until SIGTERM or SIGINT, then drains and ends with status 0.
 *
 * `main.js healthcheck` asks the one that runs, by the same environment; `main.js openapi` prints the document.
 * Exit statuses: 78 for an environment that it cannot run with, 1 for what else keeps it from running.
 */
export function runService<Shape extends z.ZodType>(definition: ServiceDefinition<Shape>): Promise<void> {
  return runProgram({
    name: definition.name,
    start: (environment) => startService(definition, environment),
    describe: (environment) => describeService(definition, environment),
  });
}

interface Prepared<Settings> {
  readonly settings: Settings & BaseSettings;
  readonly app: App;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly running: RunningService;
  beginDrain(): void;
  describe(): Promise<object>;
  close(): Promise<void>;
}

async function prepare<Shape extends z.ZodType>(
  definition: ServiceDefinition<Shape>,
  environment: Readonly<Record<string, string | undefined>>,
  options: StartOptions,
): Promise<Prepared<z.output<Shape>>> {
  const { name } = definition;
  const settings = readSettings(definition.settings, environment);
  const log = createLog({
    level: settings.LOG_LEVEL,
    base: {
      service: name,
      release: settings.VEZA_RELEASE,
      deployment: settings.VEZA_DEPLOYMENT,
      instance: settings.VEZA_INSTANCE,
      slot: settings.VEZA_SLOT,
      environment: settings.VEZA_ENVIRONMENT,
    },
    ...(options.logTo !== undefined && { to: options.logTo }),
  });
  const metrics = createMetrics({
    service: name,
    release: settings.VEZA_RELEASE,
    deployment: settings.VEZA_DEPLOYMENT,
  });
  const tracing = await startTracing(name, settings);
  const readiness = new Readiness({ log, metrics });
  const draining = new AbortController();
  const app = createApp(log);
  const routes = collectRoutes(app);
  const describe = (): Promise<object> =>
    describeRoutes(routes, { title: `Veza ${name}`, version: settings.VEZA_RELEASE ?? 'none' });

  measureRequests({ app, metrics, log, tracer: tracing?.tracer ?? null });
  addKitRoutes(app, PUBLIC_PREFIX[name], readiness, describe);
  // After the probes: a fault is one of the service's own routes, and the instance stays alive.
  const fault = faultHook(builtInFault, name);
  if (fault !== null) app.addHook('preHandler', fault);

  const closeKit = async (): Promise<void> => {
    await readiness.close();
    await app.close();
    await tracing?.close();
    metrics.close();
  };
  let running: RunningService;
  try {
    running = await definition.start({
      settings,
      app,
      log,
      metrics,
      draining: draining.signal,
      clock: options.clock ?? Date.now,
      dependency: (dependency, check, { critical } = { critical: true }) =>
        readiness.watch(dependency, check, critical),
    });
  } catch (error) {
    await closeKit();
    throw error;
  }
  return {
    settings,
    app,
    log,
    metrics,
    running,
    beginDrain() {
      readiness.drain();
      draining.abort();
    },
    async describe() {
      await app.ready();
      return await describe();
    },
    async close() {
      draining.abort();
      await readiness.close();
      await running.close?.();
      await closeKit();
    },
  };
}

function addKitRoutes(app: App, prefix: string | null, readiness: Readiness, describe: () => Promise<object>): void {
  app.get('/livez', () => ({ alive: true }));
  app.get('/readyz', (_request, reply) => {
    const report = readiness.report();
    return reply
      .code(report.ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(report);
  });
  if (prefix === null) return;
  let document: Promise<object> | null = null;
  app.get(`${prefix}/openapi.json`, () => (document ??= describe()));
}
