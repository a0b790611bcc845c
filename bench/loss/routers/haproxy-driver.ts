import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../src/system/free-port.ts';
import type { GatewaySettings } from '../../../src/core/gateway-settings.ts';
import { createGatewayRouter, stopGateway } from '../../../src/drivers/router/gateway/gateway-router.ts';
import { createHaproxyRouter, stopHaproxy } from '../../../src/drivers/router/haproxy/haproxy-router.ts';
import { startDriver, type Around } from './driver.ts';
import { afterReloadMs, type StartRouter } from './router.ts';

/** HAProxy with our driver. */
export const startHaproxyDriver: StartRouter = async ({ folder, port, first, signal }) => {
  const settings: GatewaySettings = {
    workers: null,
    http: { host: '127.0.0.1', port },
    https: null,
    accessLog: null,
    lingerMs: 5_000,
  };
  const relayDir = join(folder, 'streams');
  await mkdir(relayDir);
  const relayPort = await freePort('127.0.0.1', 0);
  const relay: GatewaySettings = { ...settings, workers: 1, http: { host: '127.0.0.1', port: relayPort } };
  const streams = await createGatewayRouter({ stateDir: relayDir, settings: relay }, signal);
  const stopStreams = async (): Promise<void> => {
    await streams.close();
    await stopGateway(relayDir, 0);
  };
  const router = await createHaproxyRouter({ stateDir: folder, settings, streams }, signal).catch(
    async (error: unknown) => {
      await stopStreams();
      throw error;
    },
  );
  const around: Around = {
    name: 'Veza with HAProxy',
    port,
    replacement: 'reload: the master executes the program anew and passes its sockets on',
    killed: 'the worker; the driver starts HAProxy again',
    async replace(now) {
      process.kill(router.pid, 'SIGUSR2');
      await sleep(afterReloadMs, undefined, { signal: now });
    },
    async kill(now) {
      const worker = await router.worker(now);
      if (worker === null) throw new Error('HAProxy has no worker');
      process.kill(worker, 'SIGKILL');
    },
    async stop() {
      await router.close();
      await stopHaproxy(folder, 0);
      await stopStreams();
    },
  };
  return startDriver(router, around, first, signal);
};
