import { execFileSync } from 'node:child_process';
import { freePort } from '../../src/system/free-port.ts';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import { plainEdge, type RouteTableEntry } from '../../src/core/route-table.ts';
import { createGatewayRouter, stopGateway } from '../../src/drivers/router/gateway/gateway-router.ts';
import { familyOf } from '../machine/proc.ts';
import type { Place, RunningProxy } from './proxy.ts';

/** Our gateway with one worker, as `veza up` starts it, with one service of one instance. */
export async function startVeza(place: Place): Promise<RunningProxy> {
  const stateDir = place.folder;
  const router = await createGatewayRouter(
    {
      stateDir,
      settings: settingsOf(place),
      limits: { maxStreams: 20_000, maxConnections: 20_000 },
    },
    place.signal,
  );
  const root = router.pid;
  await router.write({ epoch: 1, version: 1 }, await entry(place.upstreamPort), place.signal);
  await router.close();
  pin(root, place);
  return {
    name: 'veza',
    tls: true,
    root: () => root,
    stop: async () => void (await stopGateway(stateDir, 0)),
  };
}

const settingsOf = ({ port, tlsPort, certificate, key }: Place): GatewaySettings => ({
  workers: 1,
  http: { host: '127.0.0.1', port },
  https: {
    host: '127.0.0.1',
    port: tlsPort,
    minVersion: 'TLSv1.3',
    http2: false,
    redirect: false,
    hsts: null,
    certificates: [{ kind: 'files', certificate, key }],
  },
  accessLog: null,
  lingerMs: 1_000,
});

/** Traffic on its core; what only supervises on the other. */
function pin(root: number, { core, otherCore }: Place): void {
  const workers = familyOf(root).filter((pid) => pid !== root);
  if (workers.length > 1) throw new Error(`the gateway has ${workers.length} workers instead of one`);
  if (workers.length === 1) setCore(root, otherCore);
  setCore(workers[0] ?? root, core);
}

function setCore(pid: number, core: number): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}

async function entry(upstreamPort: number): Promise<RouteTableEntry> {
  // The brands of durations say no more than that these are milliseconds.
  return {
    service: 'web',
    public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
    internalPort: await freePort('127.0.0.1', 0),
    proxy: { responseTimeoutMs: 30_000, idleTimeoutMs: 3_600_000, maxBodyBytes: null, drainMs: 1_000 },
    edge: plainEdge,
    stable: 'blue',
    candidateWeight: 0,
    endpoints: { blue: [{ id: 'a', host: '127.0.0.1', port: upstreamPort }], green: [] },
    releases: { blue: 'rel_1', green: null },
  } as unknown as RouteTableEntry;
}
