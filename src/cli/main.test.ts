import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedControlPlane } from '../../test/fixtures/scripted-control-plane.ts';
import { serveScripted } from '../../test/fixtures/scripted-server.ts';
import { committed, reverted } from '../../test/fixtures/views.ts';
import { ExitStatus } from '../errors.ts';

// The command line as people use it: a process of its own, against a control plane that a test drives.

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

let project: string;
let plane: ScriptedControlPlane;
let server: Awaited<ReturnType<typeof serveScripted>> | null;
const running = new Set<ChildProcess>();

beforeEach(async () => {
  project = await realpath(await mkdtemp(join(tmpdir(), 'veza-cli-')));
  await writeFile(join(project, 'veza.config.ts'), 'export default {};\n');
  plane = new ScriptedControlPlane();
  server = null;
});

afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  await server?.close();
  await rm(project, { recursive: true, force: true });
});

async function up(): Promise<void> {
  server = await serveScripted(plane, project);
}

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when standard output or error contains the text. */
  readonly says: (text: string) => Promise<void>;
}

function start(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Record<string, string>; readonly cwd?: string } = {},
): Started {
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? project,
    env: { ...inherited, LANG: 'C.UTF-8', TERM: 'xterm', ...options.env },
    stdio: 'pipe',
  });
  running.add(child);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(options.input ?? '');
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (status) => {
      running.delete(child);
      resolve({ status, out, err });
    });
  });
  return {
    child,
    ended,
    says: (text) => vi.waitFor(() => expect(out + err).toContain(text), { timeout: 10_000, interval: 20 }),
  };
}

const veza = (args: readonly string[], options?: Parameters<typeof start>[1]): Promise<Ended> =>
  start(args, options).ended;

describe('the process', () => {
  it.each([
    [['depoly'], ExitStatus.usage, 'Did you mean deploy?'],
    [['deploy', '--detatch'], ExitStatus.usage, 'Did you mean --detach?'],
    [['status'], ExitStatus.unreachable, 'Start it with `veza up`.'],
  ])('%j ends with the exit status %i and says what to do, without a stack', async (args, expected, text) => {
    const { status, out, err } = await veza(args);
    expect(status).toBe(expected);
    expect(err).toContain(text);
    expect(err).not.toContain('    at ');
    expect(out).toBe('');
  });

  it('leaves the deployment running at Ctrl-C and says how to come back', async () => {
    await up();
    const { child, ended, says } = start(['deploy', 'web']);
    await says('dep_12 preparing');
    child.kill('SIGINT');
    const { status, err } = await ended;
    expect(err).toContain('`veza watch dep_12`');
    expect(err).toContain('`veza abort dep_12`');
    expect(status).toBe(ExitStatus.interrupted);
    expect(plane.calls.map(([method]) => method)).not.toContain('operate');
  });

  it('appends lines in a pipe and ends with what happened', async () => {
    await up();
    const { ended, says } = start(['deploy', 'web']);
    await says('dep_12 preparing');
    plane.show(committed());
    const { status, out } = await ended;
    expect(out).not.toContain('\u001B[');
    expect(out).toContain('✔ web is at rel_ab12cd34');
    expect(status).toBe(ExitStatus.ok);
  });

  it('colours only where it may', async () => {
    await up();
    plane.show(reverted());
    const [piped, forced, refused] = await Promise.all([
      veza(['show', 'dep_12']),
      veza(['show', 'dep_12'], { env: { FORCE_COLOR: '1' } }),
      veza(['show', 'dep_12'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }),
    ]);
    expect(piped.out).not.toContain('\u001B[');
    expect(forced.out).toContain('\u001B[');
    expect(refused.out).not.toContain('\u001B[');
  });

  it('writes nothing beyond ASCII of its own where the terminal is dumb', async () => {
    await up();
    plane.show(reverted());
    const { out } = await veza(['show', 'dep_12'], { env: { TERM: 'dumb' } });
    expect(out).toMatch(/^[\u0020-\u007E\n]*$/);
  });
});
