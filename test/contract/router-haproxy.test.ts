import { mkdtemp, rm } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import { createGatewayRouter, stopGateway } from '../../src/drivers/router/gateway/gateway-router.ts';
import { createHaproxyRouter, stopHaproxy } from '../../src/drivers/router/haproxy/haproxy-router.ts';
import { routerContract } from './router.contract.ts';

const settings: GatewaySettings = {
  workers: null,
  http: { host: '127.0.0.1', port: 0 },
  https: null,
  accessLog: null,
  lingerMs: 60_000,
};

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

routerContract('haproxy', async () => {
  const stateDir = await mkdtemp(path.join(os.tmpdir(), 'veza-haproxy-'));
  const relayDir = path.join(stateDir, 'streams');
  const streams = await createGatewayRouter({ stateDir: relayDir, settings: { ...settings, workers: 1 } });
  const router = await createHaproxyRouter({ stateDir, settings, streams });
  return {
    router,
    publicPort: router.listen.port,
    internalPort: await freePort(),
    crash: async () => {
      const worker = await router.worker(AbortSignal.timeout(5_000));
      if (worker !== null) process.kill(worker, 'SIGKILL');
    },
    end: async () => {
      await router.close();
      await streams.close();
      await stopHaproxy(stateDir, 0);
      await stopGateway(relayDir, 0);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
});
