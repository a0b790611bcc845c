import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, SpanStatusCode, type Context, type Span, type Tracer } from '@opentelemetry/api';
import type { App } from './app.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { beginServerSpan } from './trace.ts';

interface RedOptions {
  readonly app: App;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly tracer: Tracer | null;
}

/** Beyond any route that a service has; a request that no route takes has no template either. */
const NO_ROUTE = 'none';
/** The client went away before its answer was complete: nginx's name for it. */
const CLIENT_GONE = 499;

/**
 * Rate, errors and duration of every request by route template, and its span.
 *
 * The histogram's series are looked up once each: without a collector a request costs two clock readings, one look-up and
 * one listener. Exemplars, which name a trace, come with tracing only.
 */
export function measureRequests({ app, metrics, log, tracer }: RedOptions): void {
  const duration = metrics.histogram({
    name: 'http_server_request_duration_seconds',
    help: 'Duration of requests, from their head to the end of their answer.',
    labels: ['method', 'route', 'status'],
    exemplars: tracer !== null,
  });
  let active = 0;
  metrics.gauge({
    name: 'http_server_active_requests',
    help: 'Requests under way.',
    collect: (gauge) => gauge.set(active),
  });
  const series = new Map<string, { observe(seconds: number): void }>();
  const observe = (method: string, route: string, status: number, seconds: number): void => {
    const key = `${method} ${status} ${route}`;
    let one = series.get(key);
    if (one === undefined) {
      one = duration.labels({ method, route, status: String(status) });
      series.set(key, one);
    }
    one.observe(seconds);
  };

  const spans = new WeakMap<IncomingMessage, { readonly span: Span; readonly within: Context }>();
  app.addHook('onRequest', (request, reply, done) => {
    const began = performance.now();
    active += 1;
    const route = request.routeOptions.url ?? NO_ROUTE;
    const { method } = request;
    const traced =
      tracer === null
        ? null
        : beginServerSpan(tracer, `${method} ${route}`, request.headers, {
            'http.request.method': method,
            'http.route': route,
          });
    reply.raw.once('close', () => {
      active -= 1;
      const seconds = (performance.now() - began) / 1000;
      const status = finalStatus(reply.raw);
      if (traced === null) {
        observe(method, route, status, seconds);
      } else {
        const { span } = traced;
        duration.observe({
          labels: { method, route, status: String(status) },
          value: seconds,
          exemplarLabels: { trace_id: span.spanContext().traceId },
        } as never);
        span.setAttribute('http.response.status_code', status);
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      }
      log.debug({ method, route, status, durationMs: seconds * 1000 }, 'answered');
    });
    if (traced === null) {
      done();
      return;
    }
    spans.set(request.raw, traced);
    context.with(traced.within, done);
  });
  if (tracer === null) return;
  // The context does not follow the stream that a body comes from.
  app.addHook('preValidation', (request, _reply, done) => {
    const traced = spans.get(request.raw);
    if (traced === undefined) done();
    else context.with(traced.within, done);
  });
}

const finalStatus = (response: ServerResponse): number =>
  response.writableFinished || response.statusCode >= 500 ? response.statusCode : CLIENT_GONE;
