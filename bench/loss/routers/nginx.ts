import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runToEnd } from '../../machine/owned-process.ts';
import { familyOf, newestOf } from '../../machine/proc.ts';
import { requirePrograms } from '../../machine/programs.ts';
import type { Slotful } from '../fleet.ts';
import { addresses, afterReloadMs, type RouterPlace, type StartRouter } from './router.ts';

/** nginx as it is usually deployed with: a new list of upstream servers, a reload. */
export const startNginx: StartRouter = async (place) => {
  const { nginx } = requirePrograms({ nginx: 'nginx' });
  const file = join(place.folder, 'nginx.conf');
  const pidFile = join(place.folder, 'nginx.pid');
  await writeFile(file, configuration(place, place.first));
  // As a daemon: its master must be able to hand over to another one.
  await runToEnd({ program: nginx, args: ['-e', 'stderr', '-p', place.folder, '-c', file] }, place.signal);
  const master = async (): Promise<number> => Number(await readFile(pidFile, 'utf8'));
  const masters = new Set([await master()]);
  return {
    name: 'nginx',
    port: place.port,
    practice: {
      deployment: 'upstream servers rewritten, `nginx -t`, reload (SIGHUP), 2 s',
      replacement: 'binary upgrade as its manual says: SIGUSR2, then SIGQUIT to the old master',
      kill: 'one of two workers; the master starts another',
    },
    async move(_, to, signal) {
      await writeFile(file, configuration(place, to));
      await runToEnd({ program: nginx, args: ['-t', '-q', '-e', 'stderr', '-p', place.folder, '-c', file] }, signal);
      process.kill(await master(), 'SIGHUP');
      await sleep(afterReloadMs, undefined, { signal });
    },
    async replace(signal) {
      const old = await master();
      process.kill(old, 'SIGUSR2');
      const deadline = performance.now() + 10_000;
      while ((await master().catch(() => old)) === old) {
        if (performance.now() > deadline) throw new Error('the new nginx did not start');
        await sleep(20, undefined, { signal });
      }
      masters.add(await master());
      await sleep(1_000, undefined, { signal });
      process.kill(old, 'SIGQUIT');
    },
    async kill() {
      const parent = await master();
      process.kill(newestOf(familyOf(parent).filter((pid) => pid !== parent)), 'SIGKILL');
    },
    async stop() {
      for (const pid of masters) for (const one of familyOf(pid)) process.kill(one, 'SIGKILL');
    },
  };
};

function configuration({ folder, port }: RouterPlace, to: Slotful): string {
  return `worker_processes 2;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
    access_log off;
    client_max_body_size 0;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `    ${kind}_temp_path ${folder}/${kind};`).join('\n')}
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    upstream web {
${addresses(to.endpoints)
  .map((address) => `        server ${address};`)
  .join('\n')}
        keepalive 64;
    }
    server {
        listen 127.0.0.1:${port};
        location / {
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_read_timeout 1h;
        }
    }
}
`;
}
