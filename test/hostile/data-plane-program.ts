import { createSecureContext } from 'node:tls';
import type { RouteTableEntry } from '../../src/core/route-table.ts';
import type { GatewayLimits } from '../../src/gateway/limits.ts';
import { startGateway } from '../../src/gateway/testing-gateway.ts';

// The data plane in a process of its own, for tests that hurt it. Started with an IPC channel: it says its ports, and ends
// with the channel. Whatever surprises it goes to its standard error.

const { entry, limits, tls } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly entry: RouteTableEntry;
  readonly limits: Partial<GatewayLimits>;
  readonly tls: { readonly key: string; readonly cert: string } | null;
};

const complain = (what: unknown): void => {
  process.stderr.write(`${what instanceof Error ? (what.stack ?? what.message) : JSON.stringify(what)}\n`);
};
process.on('uncaughtException', complain);
process.on('unhandledRejection', complain);

const secure = tls === null ? null : createSecureContext({ key: tls.key, cert: tls.cert });
const running = await startGateway([entry], limits, {
  log: (_level, event, fields) => complain({ event, ...fields }),
  accessLog: null,
  certificates: secure === null ? null : { contextFor: () => secure, names: () => true },
});
const tlsPort =
  secure === null ? null : await running.listen({ name: 'https', kind: 'public-tls', http2: true, hsts: null });
process.send?.({ port: running.port, tlsPort });

/** Asked for its memory, it says what is left of it after everything that can be collected was. */
process.on('message', () => {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send?.({ live: heapUsed + external, rss });
});

process.once('disconnect', () => {
  void running.end().then(() => process.exit(0));
});
