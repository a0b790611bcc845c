import {
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';

/**
 * What a span may say. The same rule as for logs: an allow-list, so that no path, query, header, address or statement with
 * values in it leaves the process. Names follow OpenTelemetry's semantic conventions.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/
 */
export interface SpanFacts {
  readonly 'http.request.method'?: string;
  readonly 'http.route'?: string;
  readonly 'http.response.status_code'?: number;
  readonly 'server.port'?: number;
  readonly 'db.system.name'?: string;
  readonly 'db.namespace'?: string;
  readonly 'db.operation.name'?: string;
  readonly 'db.collection.name'?: string;
  readonly 'db.response.returned_rows'?: number;
  readonly 'db.response.status_code'?: string;
  readonly 'db.role'?: string;
  readonly 'peer.service'?: string;
  readonly 'error.type'?: string;
}

const TRACER = createContextKey('veza.tracer');
let traced = 0;

/** Tells this module that some service of the process traces; the rest of it costs one comparison until then. */
export function tracingBegins(): () => void {
  traced += 1;
  return () => {
    traced -= 1;
  };
}

/** Ids of the span that is under way, or null. */
export function traceOf(): { readonly traceId: string; readonly spanId: string } | null {
  if (traced === 0) return null;
  return trace.getActiveSpan()?.spanContext() ?? null;
}

/** Headers that carry the trace on to another service: `traceparent`, `tracestate` (W3C Trace Context). */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  if (traced > 0) propagation.inject(context.active(), headers);
  return headers;
}

/**
 * Runs `work` in a span of its own below the one that is under way. Without one it just runs it: spans belong to requests.
 *
 * @param name few and fixed, such as `select tracks`
 */
export function inSpan<Result>(
  name: string,
  kind: 'client' | 'internal',
  facts: SpanFacts,
  work: (span: Span | null) => Promise<Result>,
): Promise<Result> {
  if (traced === 0) return work(null);
  const active = context.active();
  const tracer = active.getValue(TRACER) as Tracer | undefined;
  if (tracer === undefined) return work(null);
  const span = tracer.startSpan(
    name,
    { kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL, attributes: { ...facts } },
    active,
  );
  return context.with(trace.setSpan(active, span), async () => {
    try {
      return await work(span);
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Notes on a span that it failed, by the error's class alone: messages quote data. */
export function markFailed(span: Span, error: unknown): void {
  span.setAttribute('error.type', error instanceof Error ? error.constructor.name : typeof error);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Begins the span of a request that came in, below the caller's when it says one. */
export function beginServerSpan(
  tracer: Tracer,
  name: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  facts: SpanFacts,
): { readonly span: Span; readonly within: Context } {
  const from = propagation.extract(ROOT_CONTEXT, headers);
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes: { ...facts } }, from);
  return { span, within: trace.setSpan(from, span).setValue(TRACER, tracer) };
}
