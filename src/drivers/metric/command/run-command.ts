import { spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import { durationInWords } from '../../../core/plan/words.ts';
import type { Command } from '../../../core/units/quantities.ts';
import { shownText } from '../bounded-http.ts';

/** What is read of a command's output at most, in bytes. */
const MOST_BYTES = 64_000;

export type CommandAnswer =
  | { readonly ok: true; readonly output: string }
  | { readonly ok: false; readonly why: string };

/**
 * Runs a program to its end, without a shell, in a process group of its own. The whole group is killed when it takes too long, prints too
 * much, or nobody wants to know any more; what it has left running is killed with its end.
 *
 * @throws the signal's reason, when that is aborted
 */
export async function runCommand(
  command: Command,
  place: { readonly folder: string; readonly variables: Readonly<Record<string, string>>; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<CommandAnswer> {
  signal.throwIfAborted();
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: place.folder,
    // Node hands NODE_V8_COVERAGE on to every child unless it is named.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_V8_COVERAGE: undefined, ...place.variables },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let why: string | null = null;
  const kill = (reason: string): void => {
    why ??= reason;
    // Once it has ended its number may be another's.
    if (child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    // A process that left the group may keep the pipes open: nobody waits for that one.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const onAbort = (): void => kill('cancelled');
  const timer = setTimeout(() => kill(`did not end within ${durationInWords(place.timeoutMs)}`), place.timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  const stdout = collect(child.stdout, () => kill(`printed more than ${MOST_BYTES / 1_000} kB`));
  const stderr = collect(child.stderr, () => kill(`printed more than ${MOST_BYTES / 1_000} kB of errors`));
  try {
    const ended = await new Promise<string | null>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      // What has left the group may hold the pipes open after that: it is not waited for.
      child.once('exit', (status, by) => {
        killGroup(child.pid);
        const outcome = status === 0 ? null : `ended with ${by ?? `status ${status}`}`;
        const waited = setTimeout(() => resolve(outcome), 500);
        child.once('close', () => {
          clearTimeout(waited);
          resolve(outcome);
        });
      });
    });
    signal.throwIfAborted();
    const said = shownText(stderr());
    if (why !== null) return { ok: false, why };
    if (ended !== null) return { ok: false, why: said === '' ? ended : `${ended}: ${said}` };
    return { ok: true, output: stdout() };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function collect(stream: NodeJS.ReadableStream, onTooMuch: () => void): () => string {
  const decoder = new StringDecoder('utf8');
  let text = '';
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) onTooMuch();
    else text += decoder.write(chunk);
  });
  stream.on('error', () => {});
  return () => text;
}

/** By its number, which stays the group's as long as anybody is in it. */
function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody is in it any more.
  }
}
