import { join } from 'node:path';
import type { GatewayHealth } from '../../core/gateway-control.ts';
import { gatewaySettingsOf } from '../../core/plan/gateway-settings.ts';
import type { Target } from '../../core/spec/platform.ts';
import { stopGateway } from '../../drivers/router/gateway/gateway-process.ts';
import type { GatewayRouter } from '../../drivers/router/gateway/gateway-router.ts';
import { stopHaproxy } from '../../drivers/router/haproxy/haproxy-router.ts';
import { routerDrivers } from '../../drivers/router/registry.ts';
import type { Router, RouterEvent } from '../../drivers/router/router.ts';

import type { RouterEdge } from './router-edge.ts';

export interface EnvironmentGateway {
  health(signal: AbortSignal): Promise<GatewayHealth>;
  /** Replaces it by this version, as it is declared now. */
  upgrade(signal: AbortSignal): Promise<GatewayHealth>;
  /** Tries to replace certificates now; false when none is for the host. */
  renew(host: string | null, signal: AbortSignal): Promise<boolean>;
}

/** What shares the traffic of an environment. */
export interface EnvironmentRouter {
  readonly router: Router;
  /** What users meet. */
  readonly edge: RouterEdge;
  /** The built-in gateway; behind HAProxy the one that carries streams. */
  readonly gateway: EnvironmentGateway;
  /** What a person must know about it. */
  warnings(signal: AbortSignal): Promise<readonly string[]>;
  /** Everything goes on running. */
  close(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts (or finds again) the router that a target names. Another one that still runs from before the declaration changed is
 * stopped first: both want the same address.
 *
 * @param target as it is declared now
 * @param folder of the environment's state
 */
export async function openRouter(
  target: () => Target,
  folder: string,
  { log, onEvent }: { readonly log: (line: string) => void; readonly onEvent: (event: RouterEvent) => void },
  signal: AbortSignal,
): Promise<EnvironmentRouter> {
  const settings = gatewaySettingsOf(target());
  const { host, port } = settings.http;
  // State of the gateway that carries streams for HAProxy.
  const relayFolder = join(folder, 'streams');
  if (target().router === 'gateway') {
    if (await stopHaproxy(folder)) {
      await stopGateway(relayFolder);
      log('HAProxy is stopped: the router is the gateway now');
    }
    log(`gateway on ${host}:${port} …`);
    const router = await routerDrivers.gateway({ stateDir: folder, settings, onEvent }, signal);
    return {
      router,
      get edge() {
        return { kind: 'gateway' as const, pid: router.pid, settings: router.settings };
      },
      gateway: gatewayOf(router, () => gatewaySettingsOf(target())),
      warnings: (abort) => router.warnings(abort),
      close: () => router.close(),
      stop: async () => {
        await router.close();
        await stopGateway(folder);
      },
    };
  }

  if (await stopGateway(folder)) log('the gateway is stopped: the router is HAProxy now');
  log(`HAProxy on ${host}:${port} …`);
  // Nobody but HAProxy reaches it: it has no route for users, and no address of its own to be found at.
  const relaySettings = {
    workers: 1,
    http: { host: '127.0.0.1', port: 0 },
    https: null,
    accessLog: null,
    lingerMs: settings.lingerMs,
  };
  const streams = await routerDrivers.gateway(
    {
      stateDir: relayFolder,
      settings: relaySettings,
      onEvent: ({ kind, message }) => onEvent({ kind, message: `${message} It carries streams for HAProxy.` }),
    },
    signal,
  );
  const router = await routerDrivers
    .haproxy({ stateDir: folder, settings, streams, onEvent }, signal)
    .catch(async (error: unknown) => {
      await streams.close();
      await stopGateway(relayFolder);
      throw error;
    });
  const close = async (): Promise<void> => {
    await router.close();
    await streams.close();
  };
  return {
    router,
    get edge() {
      return { kind: 'haproxy' as const, pid: router.pid, settings: { ...settings, http: router.listen } };
    },
    gateway: gatewayOf(streams, () => relaySettings),
    warnings: async (abort) => [...(await router.warnings(abort)), ...(await streams.warnings(abort))],
    close,
    stop: async () => {
      await close();
      await stopHaproxy(folder);
      await stopGateway(relayFolder);
    },
  };
}

const gatewayOf = (
  router: GatewayRouter,
  settings: () => Parameters<GatewayRouter['upgrade']>[0],
): EnvironmentGateway => ({
  health: (signal) => router.health(signal),
  upgrade: (signal) => router.upgrade(settings(), signal),
  renew: (host, signal) => router.renew(host, signal),
});
