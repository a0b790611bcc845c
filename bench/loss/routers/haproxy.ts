import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OwnedProcess, runToEnd } from '../../machine/owned-process.ts';
import { newestOf, familyOf } from '../../machine/proc.ts';
import { requirePrograms } from '../../machine/programs.ts';
import type { Slotful } from '../fleet.ts';
import { addresses, afterReloadMs, restartMs, type RouterPlace, type StartRouter } from './router.ts';

/** HAProxy as it is usually deployed with: a new list of servers, a reload of the master. */
export const startHaproxy: StartRouter = async (place) => {
  const { haproxy } = requirePrograms({ haproxy: 'haproxy' });
  const file = join(place.folder, 'haproxy.cfg');
  await writeFile(file, configuration(place, place.first));
  const start = async (): Promise<OwnedProcess> => {
    const started = new OwnedProcess({ program: haproxy, args: ['-Ws', '-f', file], cwd: place.folder });
    await started.listening(place.port, place.signal);
    return started;
  };
  let master = await start();
  return {
    name: 'HAProxy',
    port: place.port,
    practice: {
      deployment: 'servers rewritten, `haproxy -c`, reload (SIGUSR2 to the master), 2 s',
      replacement: 'reload: the master executes the program anew and passes its sockets on',
      kill: 'the worker; the master ends with it, and systemd starts both 100 ms later',
    },
    async move(_, to, signal) {
      await writeFile(file, configuration(place, to));
      await runToEnd({ program: haproxy, args: ['-c', '-q', '-f', file] }, signal);
      master.child.kill('SIGUSR2');
      await sleep(afterReloadMs, undefined, { signal });
    },
    async replace(signal) {
      master.child.kill('SIGUSR2');
      await sleep(afterReloadMs, undefined, { signal });
    },
    async kill(signal) {
      // Not one that is leaving: the master goes on without it.
      process.kill(newestOf(familyOf(master.pid).filter((pid) => pid !== master.pid)), 'SIGKILL');
      await master.ended();
      await sleep(restartMs, undefined, { signal });
      master = await start();
    },
    async stop() {
      for (const pid of familyOf(master.pid)) if (pid !== master.pid) process.kill(pid, 'SIGKILL');
      await master.stop('SIGKILL');
    },
  };
};

function configuration({ port }: RouterPlace, to: Slotful): string {
  return `global
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend public
    bind 127.0.0.1:${port}
    default_backend web
backend web
${addresses(to.endpoints)
  .map((address, index) => `    server s${index + 1} ${address} check`)
  .join('\n')}
`;
}
