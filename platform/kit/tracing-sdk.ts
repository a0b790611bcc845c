import { context, propagation, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

export interface SdkOptions {
  /** base address of the collector, such as `http://127.0.0.1:4318` (OTLP over HTTP) */
  readonly endpoint: string;
  /** share of the traces that begin here which are recorded, 0 to 1 */
  readonly ratio: number;
  readonly resource: Readonly<Record<string, string | undefined>>;
}

let isInstalled = false;

/** Loaded only when there is a collector: see `tracing.ts`. */
export function startSdk(options: SdkOptions): { readonly tracer: Tracer; close(): Promise<void> } {
  if (!isInstalled) {
    // Of the process, not of a service: context follows the calls, and each span has the tracer it was begun with.
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    isInstalled = true;
  }
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.resource)) if (value !== undefined) attributes[name] = value;
  const provider = new TracerProvider({
    resource: resourceFromAttributes(attributes),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.ratio) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({
          url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces`,
          timeoutMillis: 5000,
        }),
        maxQueueSize: 4096,
        maxExportBatchSize: 512,
        scheduledDelayMillis: 1000,
        exportTimeoutMillis: 5000,
      }),
    ],
  });
  return {
    tracer: provider.getTracer('veza'),
    async close() {
      let late: NodeJS.Timeout | undefined;
      const enough = new Promise<void>((resolve) => {
        late = setTimeout(resolve, 2000);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), enough]);
      clearTimeout(late);
    },
  };
}
