import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'undici';
import type { SmokeCheck } from '../../core/spec/platform.ts';
import type { SmokeTarget, SmokeTests } from '../../engine/environment.ts';
import { SmokeTestFailedError } from '../../errors.ts';

type HttpCheck = Extract<SmokeCheck, { readonly kind: 'http' }>;
type CommandCheck = Extract<SmokeCheck, { readonly kind: 'command' }>;

const SHOWN_CHARACTERS = 120;
const SHOWN_LINES = 3;

/** Smoke tests over HTTP and by command, against the candidate's preview address. */
export const smokeTests: SmokeTests = {
  async run(check, target, signal) {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(check.timeoutMs)]);
    try {
      if (check.kind === 'http') await runHttp(check, target, limited);
      else await runCommand(check, target, limited);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SmokeTestFailedError) throw error;
      const found = limited.aborted
        ? `nothing within ${check.timeoutMs} ms`
        : error instanceof Error
          ? error.message
          : String(error);
      throw new SmokeTestFailedError(check.name, 'an answer', found);
    }
  },
};

async function runHttp(check: HttpCheck, target: SmokeTarget, signal: AbortSignal): Promise<void> {
  const answer = await request(`${target.previewUrl}${check.path}`, {
    method: check.method as 'GET',
    headers: { ...target.headers, connection: 'close' },
    signal,
  });
  const body = await answer.body.text();
  const release = answer.headers['x-veza-release'];
  if (typeof release === 'string' && release !== target.release) {
    throw new SmokeTestFailedError(check.name, `an answer of ${target.release}`, `one of ${release}`);
  }
  if (answer.statusCode !== check.expectStatus) {
    throw new SmokeTestFailedError(
      check.name,
      `status ${check.expectStatus} of ${check.method} ${check.path}`,
      `${answer.statusCode}: ${body.slice(0, SHOWN_CHARACTERS)}`,
    );
  }
  if (check.expectBody !== null && !body.includes(check.expectBody)) {
    throw new SmokeTestFailedError(
      check.name,
      `"${check.expectBody}" in the body`,
      `"${body.slice(0, SHOWN_CHARACTERS)}"`,
    );
  }
}

async function runCommand(check: CommandCheck, target: SmokeTarget, signal: AbortSignal): Promise<void> {
  const [program, ...args] = check.command;
  const child = spawn(program, args, {
    cwd: target.artifactDir,
    env: {
      ...target.variables,
      PATH: process.env.PATH ?? '',
      VEZA_PREVIEW_URL: target.previewUrl,
      VEZA_PREVIEW_HEADERS: JSON.stringify(target.headers),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      lines.push(...chunk.split('\n').filter((line) => line.trim() !== ''));
      lines.splice(0, Math.max(0, lines.length - SHOWN_LINES));
    });
  }
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0)
    throw new SmokeTestFailedError(check.name, 'exit status 0', `${status ?? 'a signal'}: ${lines.join(' / ')}`);
}
