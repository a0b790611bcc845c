import type { GatewaySettings } from '../../../src/core/gateway-settings.ts';
import {
  createGatewayRouter,
  stopGateway,
  type GatewayRouter,
} from '../../../src/drivers/router/gateway/gateway-router.ts';
import { busiestOf } from '../../machine/proc.ts';
import { startDriver, type Around } from './driver.ts';
import type { RouterPlace, StartRouter } from './router.ts';

/** The built-in gateway with its driver. */
export const startGateway: StartRouter = async (place) => {
  const { router, around } = await openGateway(place);
  return startDriver(router, around, place.first, place.signal);
};

/** A gateway without routes. */
export async function openGateway({ folder, port, signal }: Pick<RouterPlace, 'folder' | 'port' | 'signal'>): Promise<{
  readonly router: GatewayRouter;
  readonly around: Around;
}> {
  const settings: GatewaySettings = {
    workers: null,
    http: { host: '127.0.0.1', port },
    https: null,
    accessLog: null,
    lingerMs: 5_000,
  };
  const router = await createGatewayRouter({ stateDir: folder, settings }, signal);
  const around: Around = {
    name: 'Veza gateway',
    port,
    replacement: '`veza gateway upgrade`: the listening sockets are handed over, streams get 5 s',
    killed: 'the busiest worker; the supervisor starts another',
    async replace(now) {
      await router.upgrade(settings, now);
    },
    async kill(now) {
      const { workers } = await router.health(now);
      const active = workers.filter(({ state }) => state === 'active').map(({ pid }) => pid);
      process.kill(busiestOf(active), 'SIGKILL');
    },
    async stop() {
      await router.close();
      await stopGateway(folder, 0);
    },
  };
  return { router, around };
}
