import { randomBytes } from 'node:crypto';
import net, { type AddressInfo } from 'node:net';
import type { RouteTableEntry } from '../core/route-table.ts';
import type { Listener } from './data-plane.ts';
import type { AccessRecord } from './edge/access-log.ts';
import { RateLimiter } from './edge/rate-limiter.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';
import { defaultLimits, type GatewayLimits } from './limits.ts';
import { StickyCookie } from './sticky-cookie.ts';

/** A gateway of this process on free ports, for tests. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly port: number;
  /** What surprised it; a test that ends with something here has found a fault. */
  readonly surprises: readonly unknown[];
  readonly records: readonly AccessRecord[];
  /** Opens another listener. */
  listen(listener: Listener): Promise<number>;
  end(): Promise<void>;
}

export async function startGateway(
  entries: readonly RouteTableEntry[],
  limits: Partial<GatewayLimits> = {},
  options: Partial<GatewayOptions> = {},
): Promise<TestGateway> {
  const surprises: unknown[] = [];
  const records: AccessRecord[] = [];
  const gateway = new Gateway({
    limits: { ...defaultLimits, ...limits },
    cookie: new StickyCookie(randomBytes(32)),
    log: (_level, _event, fields) => surprises.push(fields),
    certificates: null,
    minTlsVersion: 'TLSv1.2',
    accessLog: { record: (record) => records.push(record) },
    rateLimiter: new RateLimiter({}),
    wall: Date.now,
    now: () => performance.now(),
    random: Math.random,
    ...options,
  });
  gateway.apply(entries.map((entry) => ({ stamp: { epoch: 1, version: 1 }, entry })));
  const listen = async (listener: Listener): Promise<number> => {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true });
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
    await new Promise((resolve) => server.once('listening', resolve));
    gateway.listen(listener, server);
    return (server.address() as AddressInfo).port;
  };
  const port = await listen({ name: 'http', kind: 'public', redirectToPort: null });
  return {
    gateway,
    port,
    surprises,
    records,
    listen,
    async end() {
      await gateway.stop(0);
    },
  };
}
