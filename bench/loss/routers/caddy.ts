import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../src/system/free-port.ts';
import { OwnedProcess } from '../../machine/owned-process.ts';
import { requirePrograms } from '../../machine/programs.ts';
import type { Slotful } from '../fleet.ts';
import { addresses, afterReloadMs, restartMs, type RouterPlace, type StartRouter } from './router.ts';

/** Milliseconds that systemd gives a service to stop (TimeoutStopSec in Caddy's unit). */
const stopMs = 5_000;

/** Caddy as it is usually deployed with: a new configuration through its API. */
export const startCaddy: StartRouter = async (place) => {
  const { caddy } = requirePrograms({ caddy: 'caddy' });
  const file = join(place.folder, 'Caddyfile');
  const adminPort = await freePort('127.0.0.1', 0);
  await writeFile(file, configuration(place, adminPort, place.first));
  const env = { XDG_DATA_HOME: join(place.folder, 'data'), XDG_CONFIG_HOME: join(place.folder, 'config') };
  const start = async (): Promise<OwnedProcess> => {
    const args = ['run', '--config', file, '--adapter', 'caddyfile'];
    const started = new OwnedProcess({ program: caddy, args, cwd: place.folder, env });
    await started.listening(place.port, place.signal);
    return started;
  };
  let running = await start();
  return {
    name: 'Caddy',
    port: place.port,
    practice: {
      deployment: 'new configuration POSTed to its API, 2 s',
      replacement: 'restart, as systemd does: SIGTERM, 5 s, SIGKILL, start',
      kill: 'its only process; started again 100 ms later, as with Restart=always (Debian’s unit has none)',
    },
    async move(_, to, signal) {
      const text = configuration(place, adminPort, to);
      await writeFile(file, text);
      await loadUntilTaken(adminPort, text, signal);
      await sleep(afterReloadMs, undefined, { signal });
    },
    async replace() {
      await running.stop('SIGTERM', stopMs);
      running = await start();
    },
    async kill(signal) {
      running.child.kill('SIGKILL');
      await running.ended();
      await sleep(restartMs, undefined, { signal });
      running = await start();
    },
    stop: () => running.stop('SIGKILL'),
  };
};

/** Its API is replaced with the rest and now and then breaks off the very request that did it: asked again, as a script would. */
async function loadUntilTaken(port: number, caddyfile: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await load(port, caddyfile);
    } catch (error) {
      if (attempt === 3) throw error;
      await sleep(200, undefined, { signal });
    }
  }
}

function load(port: number, caddyfile: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'text/caddyfile' };
    const asked = request({ host: '127.0.0.1', port, path: '/load', method: 'POST', headers }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`Caddy refused its configuration with status ${response.statusCode}`));
    });
    asked.on('error', reject);
    asked.end(caddyfile);
  });
}

function configuration({ port }: RouterPlace, adminPort: number, to: Slotful): string {
  return `{
    admin 127.0.0.1:${adminPort}
    auto_https off
    log {
        level ERROR
    }
    servers {
        protocols h1
    }
}
http://127.0.0.1:${port} {
    reverse_proxy ${addresses(to.endpoints).join(' ')} {
        flush_interval -1
    }
}
`;
}
