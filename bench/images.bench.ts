import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { assembleImage } from '../src/build/image/assemble.ts';
import { dockerArchive } from '../src/build/image/docker-archive.ts';
import { ImageLayout } from '../src/build/image/layout.ts';
import { makeMachineBase } from '../src/build/image/machine-base.ts';
import { digestOf } from '../src/build/digest.ts';
import { DockerClient } from '../src/drivers/runtime/docker/api/client.ts';
import type { StoredImage } from '../src/core/image/image.ts';
import { freePort } from '../src/system/free-port.ts';
import type { BenchContext, Figure } from './harness/bench.ts';

export const name = 'images';
export const description =
  "Size of the platform's images beside an image of one stage (sources and all packages, as without the guide's second stage), and cold start of web in a container beside the bare process";

const SERVICES = ['identity', 'api', 'chat', 'stream', 'web'] as const;
const ROUNDS = 11;
const LONGEST_MS = 20_000;
const platform = new URL('../platform/', import.meta.url).pathname;
const start = promisify(execFile);

export async function run({ signal, progress, quick }: BenchContext): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'veza-bench-images-'));
  try {
    progress('bundles');
    await start(process.execPath, [join(platform, 'build.mjs'), ...SERVICES], { signal });
    const layout = await ImageLayout.open(join(folder, 'layout'));
    progress('base');
    const base = await makeMachineBase(layout, signal);
    const assemble = (service: string, artifactDir: string): Promise<StoredImage> =>
      assembleImage(
        {
          layout,
          base,
          baseName: null,
          artifact: digestOf(artifactDir),
          artifactDir,
          service,
          run: ['node', 'main.js'],
          healthcheck: null,
          annotations: {},
        },
        signal,
      );
    progress('an image of one stage');
    const whole = join(folder, 'whole');
    await cp(platform, whole, { recursive: true, verbatimSymlinks: true });
    const oneStage = bytesOf(await assemble('whole', whole));
    const figures: Figure[] = [{ name: 'base, compressed', value: bytesOf(base) / 1e6, unit: 'MB' }];
    const images = new Map<string, StoredImage>();
    for (const service of SERVICES) {
      progress(service);
      const image = await assemble(service, join(platform, 'dist', service));
      images.set(service, image);
      const own = (image.layers.at(-1)?.bytes ?? 0) / 1e6;
      figures.push(
        {
          name: `${service}, compressed`,
          value: bytesOf(image) / 1e6,
          unit: 'MB',
          peer: { name: 'one stage', value: oneStage / 1e6 },
        },
        { name: `${service}, without the base, which is shared`, value: own, unit: 'MB' },
      );
    }
    const web = images.get('web');
    const socket = process.env['VEZA_BENCH_DOCKER'];
    if (web === undefined || socket === undefined) {
      progress('no cold start: VEZA_BENCH_DOCKER names no socket of a Docker Engine');
      return figures;
    }
    return [...figures, await coldStart(layout, web, socket, quick ? 3 : ROUNDS, { signal, progress })];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const bytesOf = ({ layers }: StoredImage): number => layers.reduce((sum, { bytes }) => sum + bytes, 0);

async function coldStart(
  layout: ImageLayout,
  image: StoredImage,
  socket: string,
  rounds: number,
  { signal, progress }: Pick<BenchContext, 'signal' | 'progress'>,
): Promise<Figure> {
  const client = new DockerClient({ kind: 'socket', path: socket });
  await client.loadImage(dockerArchive(layout, image, []), signal);
  const { ServerVersion } = await client.info(signal);
  client.close();
  const host = ['--host', `unix://${socket}`];
  const contained: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    progress(`cold start ${round + 1} of ${rounds}`);
    const port = await freePort('127.0.0.1', 0);
    const settings = { PORT: String(port), HOST: '127.0.0.1' };
    const flags = ['--network=host', '--read-only', '--cap-drop=ALL', '--tmpfs=/tmp'];
    const variables = Object.entries(settings).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    const begun = performance.now();
    const { stdout } = await start('docker', [...host, 'run', '--detach', ...flags, ...variables, image.config], {
      signal,
    });
    contained.push(await untilWell(port, begun));
    await start('docker', [...host, 'rm', '--force', stdout.trim()], { signal });

    const started = performance.now();
    const child = spawn(process.execPath, ['main.js'], {
      cwd: join(platform, 'dist', 'web'),
      env: settings,
      stdio: 'ignore',
    });
    try {
      bare.push(await untilWell(port, started));
    } finally {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
  }
  return {
    name: `cold start of web, from the command to the first answer, median of ${rounds}`,
    value: median(contained),
    unit: 'ms',
    peer: { name: `the bare process (Docker Engine ${ServerVersion})`, value: median(bare) },
  };
}

async function untilWell(port: number, begun: number): Promise<number> {
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${port}/livez`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) return performance.now() - begun;
    if (performance.now() - begun > LONGEST_MS) throw new Error('web did not answer within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
