import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { OwnedProcess } from '../machine/owned-process.ts';

export const proxyNames = ['veza', 'haproxy', 'nginx', 'caddy'] as const;
export type ProxyName = (typeof proxyNames)[number];

/** Where a proxy of the benchmark runs, and what it passes on to. */
export interface Place {
  /** A folder of its own. */
  readonly folder: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly upstreamPort: number;
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
  /** The core that its traffic is carried on. */
  readonly core: number;
  /** The core of everything else. */
  readonly otherCore: number;
  readonly signal: AbortSignal;
}

export interface RunningProxy {
  readonly name: ProxyName;
  /** It answers on `tlsPort`. */
  readonly tls: boolean;
  /** The process that all others of it descend from. */
  root(): number;
  stop(): Promise<void>;
}

export type StartProxy = (program: string, place: Place) => Promise<RunningProxy>;

/** What a program says about its version, in a few words. */
export function versionOf(program: string, flag: string): string {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return /\d+\.\d+(?:\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? 'of unknown version';
}

async function start(name: ProxyName, program: string, args: readonly string[], place: Place, env = {}) {
  const running = new OwnedProcess({ program, args, core: place.core, cwd: place.folder, env });
  try {
    await running.listening(place.port, place.signal);
    await running.listening(place.tlsPort, place.signal);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return { name, tls: true, root: () => running.pid, stop: () => running.stop() };
}

// Each as its manual has a reverse proxy that keeps connections to its upstream, no log of requests, X-Forwarded-For added,
// TLS 1.3 with HTTP/1.1; limits raised where 10,000 WebSockets need it.

export const startHaproxy: StartProxy = async (program, place) => {
  const file = join(place.folder, 'haproxy.cfg');
  const pem = join(place.folder, 'both.pem');
  await joinPem(place, pem);
  await writeFile(
    file,
    `global
    nbthread 1
    maxconn 9950
defaults
    mode http
    option forwardfor
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend public
    bind 127.0.0.1:${place.port}
    bind 127.0.0.1:${place.tlsPort} ssl crt ${pem} ssl-min-ver TLSv1.3 alpn http/1.1
    default_backend web
backend web
    server a 127.0.0.1:${place.upstreamPort}
`,
  );
  return start('haproxy', program, ['-db', '-f', file], place);
};

export const startNginx: StartProxy = async (program, place) => {
  const file = join(place.folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `    ${kind}_temp_path ${place.folder}/${kind};`)
    .join('\n');
  await writeFile(
    file,
    `daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log stderr crit;
pid ${place.folder}/nginx.pid;
events { worker_connections 19990; }
http {
    access_log off;
${temporary}
    proxy_max_temp_file_size 0;
    keepalive_requests 1000000000;
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    upstream web {
        server 127.0.0.1:${place.upstreamPort};
        keepalive 256;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:${place.port} backlog=4096;
        listen 127.0.0.1:${place.tlsPort} ssl backlog=4096;
        ssl_certificate ${place.certificate};
        ssl_certificate_key ${place.key};
        ssl_protocols TLSv1.3;
        location / {
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 1h;
        }
    }
}
`,
  );
  return start('nginx', program, ['-e', 'stderr', '-p', place.folder, '-c', file], place);
};

export const startCaddy: StartProxy = async (program, place) => {
  const file = join(place.folder, 'Caddyfile');
  await writeFile(
    file,
    `{
    admin off
    auto_https off
    log {
        level ERROR
    }
    servers {
        protocols h1
    }
}
http://127.0.0.1:${place.port}, http://localhost:${place.port} {
    reverse_proxy 127.0.0.1:${place.upstreamPort}
}
https://127.0.0.1:${place.tlsPort}, https://localhost:${place.tlsPort} {
    tls ${place.certificate} ${place.key} {
        protocols tls1.3
    }
    reverse_proxy 127.0.0.1:${place.upstreamPort}
}
`,
  );
  const env = {
    GOMAXPROCS: '1',
    XDG_DATA_HOME: join(place.folder, 'data'),
    XDG_CONFIG_HOME: join(place.folder, 'config'),
  };
  return start('caddy', program, ['run', '--config', file, '--adapter', 'caddyfile'], place, env);
};

async function joinPem(place: Place, to: string): Promise<void> {
  await writeFile(to, (await readFile(place.certificate, 'utf8')) + (await readFile(place.key, 'utf8')), {
    mode: 0o600,
  });
}
