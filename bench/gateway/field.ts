import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/system/free-port.ts';
import { OwnedProcess, runToEnd } from '../machine/owned-process.ts';
import { compiled, requirePrograms } from '../machine/programs.ts';
import { cores } from './measure.ts';
import { startCaddy, startHaproxy, startNginx, versionOf, type Place, type ProxyName } from './proxy.ts';
import type { RunningProxy } from './proxy.ts';
import { startVeza } from './veza.ts';

const tools = join(import.meta.dirname, 'tools');

/** All that the benchmark needs, in place: programs, certificate, ports, and the instance behind the proxies. */
export interface Field {
  readonly wrk: string;
  readonly openLoop: string;
  readonly idleWebSockets: string;
  readonly postScript: string;
  readonly upstreamPort: number;
  readonly versions: Readonly<Record<ProxyName, string>>;
  /** Starts a proxy that has served nothing yet, on ports of its own. */
  start(name: ProxyName): Promise<{ readonly place: Place; readonly proxy: RunningProxy }>;
  /** Ends everything that was started, and removes its files. */
  clear(): Promise<void>;
}

/** @throws Error when a program is missing or there is only one core */
export async function prepareField(signal: AbortSignal): Promise<Field> {
  if (availableParallelism() < 2)
    throw new Error('This benchmark needs two cores: one for the proxy, one for the load.');
  const programs = requirePrograms({
    haproxy: 'haproxy',
    nginx: 'nginx',
    caddy: 'caddy',
    wrk: 'wrk',
    openssl: 'openssl',
    taskset: 'util-linux',
    cc: 'gcc libc6-dev',
  });
  const [upstreamProgram, openLoop, idleWebSockets] = await Promise.all(
    ['upstream', 'open-loop', 'idle-websockets'].map((tool) => compiled(programs.cc, join(tools, `${tool}.c`), signal)),
  );
  if (upstreamProgram === undefined || openLoop === undefined || idleWebSockets === undefined)
    throw new Error('not every tool was compiled');

  const folder = await mkdtemp(join(tmpdir(), 'veza-bench-gateway-'));
  const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
  await makeCertificate(programs.openssl, files, signal);
  const upstreamPort = await freePort('127.0.0.1', 0);
  const upstream = new OwnedProcess({ program: upstreamProgram, args: [String(upstreamPort)], core: cores.load });
  const started = new Set<RunningProxy>();
  const starters: Readonly<Record<ProxyName, (place: Place) => Promise<RunningProxy>>> = {
    veza: startVeza,
    haproxy: (place) => startHaproxy(programs.haproxy, place),
    nginx: (place) => startNginx(programs.nginx, place),
    caddy: (place) => startCaddy(programs.caddy, place),
  };
  let count = 0;
  const clear = async (): Promise<void> => {
    await Promise.all([...started].map((proxy) => proxy.stop()));
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await upstream.listening(upstreamPort, signal);
  } catch (error) {
    await clear();
    throw error;
  }
  return {
    wrk: programs.wrk,
    openLoop,
    idleWebSockets,
    postScript: join(tools, 'post-10k.lua'),
    upstreamPort,
    versions: {
      veza: `on Node ${process.versions.node}`,
      haproxy: versionOf(programs.haproxy, '-v'),
      nginx: versionOf(programs.nginx, '-v'),
      caddy: versionOf(programs.caddy, 'version'),
    },
    async start(name) {
      count += 1;
      const own = join(folder, `${count}-${name}`);
      await mkdir(own);
      const place: Place = {
        ...files,
        folder: own,
        port: await freePort('127.0.0.1', 0),
        tlsPort: await freePort('127.0.0.1', 0),
        upstreamPort,
        core: cores.proxy,
        otherCore: cores.load,
        signal,
      };
      const inner = await starters[name](place);
      const proxy: RunningProxy = {
        ...inner,
        stop: async () => {
          started.delete(proxy);
          await inner.stop();
        },
      };
      started.add(proxy);
      return { place, proxy };
    },
    clear,
  };
}

/** ECDSA on P-256, the usual kind now, for localhost. */
async function makeCertificate(
  openssl: string,
  { certificate, key }: { readonly certificate: string; readonly key: string },
  signal: AbortSignal,
): Promise<void> {
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = [
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  ];
  await runToEnd(
    { program: openssl, args: ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', certificate] },
    signal,
  );
}
