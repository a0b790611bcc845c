import type { Tracer } from '@opentelemetry/api';
import type { BaseSettings } from './settings.ts';
import { tracingBegins } from './trace.ts';

/** The tracer of one service, when there is a collector to send spans to. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what is left, for two seconds at most. */
  close(): Promise<void>;
}

/**
 * Starts tracing when `OTEL_EXPORTER_OTLP_ENDPOINT` is set; else nothing of OpenTelemetry's SDK is even loaded.
 *
 * Spans are sent in batches in the background. A collector that is slow or away costs memory up to the queue's bound, and
 * then spans: never time of a request.
 */
export async function startTracing(service: string, settings: BaseSettings): Promise<Tracing | null> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return null;
  const { startSdk } = await import('./tracing-sdk.ts');
  const sdk = startSdk({
    endpoint,
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    resource: {
      'service.name': service,
      'service.namespace': 'veza',
      'service.version': settings.VEZA_RELEASE,
      'service.instance.id': settings.VEZA_INSTANCE,
      'deployment.environment.name': settings.VEZA_ENVIRONMENT,
      release: settings.VEZA_RELEASE,
      deployment: settings.VEZA_DEPLOYMENT,
      slot: settings.VEZA_SLOT,
    },
  });
  const ended = tracingBegins();
  return {
    tracer: sdk.tracer,
    async close() {
      ended();
      await sdk.close();
    },
  };
}
