import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageLayout } from '../../src/build/image/layout.ts';
import { makeMachineBase } from '../../src/build/image/machine-base.ts';
import { DEFAULT_POLICY, scanImage } from '../../src/build/image-scan/scan-image.ts';
import { ImageRegistry } from '../../src/build/registry/image-registry.ts';
import { RegistryLine } from '../../src/build/registry/registry-line.ts';
import { DOCKERIGNORE, dockerfileOf } from '../../src/cli/emit/dockerfile.ts';
import { parsePinnedReference } from '../../src/core/image/reference.ts';
import type { Service } from '../../src/core/spec/platform.ts';
import { registryAvailable, RegistryRig } from '../rig/registry.ts';
import { DockerRig } from './docker-rig.ts';
import { until } from './router-instance.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const probe = { check: { kind: 'http', path: '/health' }, intervalMs: 1, timeoutMs: 1, failures: 1 };
const SERVER = `require('node:http')
  .createServer((request, answer) => answer.end(String(process.getuid())))
  .listen(process.env.PORT);
`;

describe.skipIf(!registryAvailable)('a Dockerfile that was written, and a Docker Engine', () => {
  let folder: string;
  let registry: RegistryRig;
  let engine: DockerRig;
  let context: string;
  let dockerfile: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'veza-dockerfile-'));
    registry = await RegistryRig.start({ tls: false, logIn: 'none' });
    engine = await DockerRig.start();
    const layout = await ImageLayout.open(join(folder, 'layout'));
    const base = await makeMachineBase(layout, never);
    const line = new RegistryLine(registry.name, 'node', { credentials: null, authority: null });
    await new ImageRegistry(line, registry.name).push(layout, base, ['24'], () => undefined, never);
    await line.close();
    const read = parsePinnedReference(`${registry.name}/node@${base.manifest}`);
    if (!read.ok) throw new Error(read.expected);
    context = join(folder, 'source');
    await mkdir(context);
    await writeFile(join(context, 'server.src'), SERVER);
    await writeFile(
      join(context, 'build.js'),
      "const f = require('node:fs'); f.mkdirSync('dist'); f.copyFileSync('server.src', 'dist/server.js');\n",
    );
    await writeFile(join(context, '.env'), 'PASSWORD=hunter2\n');
    const service = {
      name: 'api',
      source: '.',
      build: { commands: [['node', 'build.js']], output: 'dist' },
      run: ['node', 'server.js'],
      health: { startup: probe, readiness: probe, liveness: null, stableForMs: 0 },
    } as unknown as Service;
    dockerfile = join(folder, 'api.Dockerfile');
    await writeFile(dockerfile, dockerfileOf(service, 'node', { build: read.value, run: read.value }));
    await writeFile(join(context, '.dockerignore'), DOCKERIGNORE);
  }, 120_000);
  afterAll(async () => {
    await engine?.end();
    await registry?.close();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const docker = async (...args: readonly string[]): Promise<string> =>
    (await run('docker', ['--host', `unix://${engine.socket}`, ...args])).stdout.trim();
  async function build(tag: string): Promise<readonly string[]> {
    const revision = ['--build-arg', 'REVISION=0123abcd'];
    await docker('build', '--no-cache', '--network=none', '--tag', tag, '--file', dockerfile, ...revision, context);
    return JSON.parse(await docker('inspect', '--format', '{{json .RootFS.Layers}}', tag)) as readonly string[];
  }

  it('have the same layers each time, whenever they are built', async () => {
    const once = await build('api:1');
    // The next second: no time of the build is in a layer.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await build('api:2')).toEqual(once);
    expect(once).toHaveLength(2);
  }, 120_000);

  it('run without root, without a shell, and say by themselves that they are well', async () => {
    const flags = ['--network=none', '--read-only', '--cap-drop=ALL', '--env', 'PORT=8080', '--health-interval=200ms'];
    const id = await docker('run', '--detach', ...flags, 'api:1');
    const health = (): Promise<string> => docker('inspect', '--format', '{{.State.Health.Status}}', id);
    await until(async () => (await health()) === 'healthy', 'it is healthy');
    const ask = "fetch('http://127.0.0.1:8080').then(async (r) => console.log(await r.text()))";
    expect(await docker('exec', id, 'node', '-e', ask)).toBe('10001');
    await expect(docker('exec', id, 'sh', '-c', 'true')).rejects.toThrow();
    await docker('rm', '--force', id);
  }, 60_000);

  it('pass every rule but that nobody looked up vulnerabilities', async () => {
    const saving = spawn('docker', ['--host', `unix://${engine.socket}`, 'save', 'api:1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const report = await scanImage(
      {
        source: { kind: 'archive', content: saving.stdout, name: 'api:1' },
        service: 'api',
        references: [],
        sbom: null,
        policy: DEFAULT_POLICY,
        osv: { folder: null, api: null, timeLimitMs: 1_000 },
        now: 1_800_000_000_000,
      },
      never,
    );
    expect(report.findings.map(({ rule, found }) => `${rule}: ${found}`)).toEqual([
      expect.stringMatching(/^not-checked/),
    ]);
    expect(report.passes).toBe(true);
  }, 60_000);
});
