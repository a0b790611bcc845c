import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { createDockerRuntime } from '../../src/drivers/runtime/docker/docker-runtime.ts';
import type { ImageSupply } from '../../src/drivers/runtime/docker/image-supply.ts';
import type { Runtime, SlotDesire } from '../../src/drivers/runtime/runtime.ts';
import { DockerRig, rigImages } from './docker-rig.ts';
import { runtimeContract } from './runtime.contract.ts';

const fixtures = fileURLToPath(new URL('./fixtures/instances', import.meta.url));
const SUBNET = '10.213.250.0/24';
const PORTS = { from: 24_300, to: 24_399 };

let rig: DockerRig;
let images: ImageSupply;
let layoutDir: string;
let artifactDir: string;

beforeAll(async () => {
  rig = await DockerRig.start();
  rig.networks.push('veza-contract-staging');
  layoutDir = mkdtempSync(join(tmpdir(), 'veza-rig-images-'));
  artifactDir = join(layoutDir, 'artifact');
  mkdirSync(artifactDir);
  cpSync(join(fixtures, 'server.js'), join(artifactDir, 'server.js'));
  images = await rigImages(layoutDir);
}, 120_000);

afterAll(async () => {
  await rig.end();
  rmSync(layoutDir, { recursive: true, force: true });
}, 60_000);

const open = (stateDir: string): Promise<Runtime> =>
  createDockerRuntime({
    stateDir,
    platform: 'contract',
    environment: 'staging',
    host: { kind: 'socket', path: rig.socket },
    network: { kind: 'bridge', subnet: SUBNET },
    ports: PORTS,
    images,
  });

/** Kills the owner as soon as all is ready. */
async function ownAndDie(stateDir: string, desire: SlotDesire): Promise<void> {
  const ports = [String(PORTS.from), String(PORTS.to)];
  const args = [
    join(fixtures, 'docker-owner.ts'),
    stateDir,
    rig.socket,
    SUBNET,
    ...ports,
    layoutDir,
    JSON.stringify(desire),
  ];
  const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => owner.once('exit', resolve));
  await new Promise<void>((resolve, reject) => {
    owner.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString('utf8').includes('ready')) resolve();
    });
    void ended.then(() => reject(new Error('the owner ended by itself')));
  });
  owner.kill('SIGKILL');
  await ended;
}

const isGone = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.startsWith('Z') ?? true;
  } catch {
    return true;
  }
};

/** Processes of this machine that have this id in a namespace of their own, where an environment says this. */
function processesInside(pid: number, marker: string): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const status = readFileSync(`/proc/${name}/status`, 'latin1');
      const inside = /^NSpid:\s+\d+.*\s(\d+)$/m.exec(status)?.[1];
      if (Number(inside) !== pid) return [];
      readlinkSync(`/proc/${name}/exe`);
      return readFileSync(`/proc/${name}/environ`, 'latin1').includes(`VEZA_INSTANCE=${marker}`) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

runtimeContract('docker', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'veza-runtime-docker-'));
  return {
    open: () => open(stateDir),
    ownAndDie: (desire) => ownAndDie(stateDir, desire),
    artifactDir,
    run: ['node', 'server.js'],
    script: (source) => ['node', '-e', source],
    addedEnvironment: ['PATH', 'HOME', 'TMPDIR'],
    isGone,
    onHost: (pid, marker) => processesInside(pid, marker)[0] ?? null,
    dispose: async () => {
      await rig.clear();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
});
