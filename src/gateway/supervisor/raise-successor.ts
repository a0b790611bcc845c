import { spawn } from 'node:child_process';
import type { Log } from '../log.ts';
import type { BoundSocket } from '../../system/bind-socket.ts';
import type { MergedState } from './merged-counts.ts';
import type { FromSuccessor, ToSuccessor } from './messages.ts';

/** Milliseconds that a new supervisor has to get its workers ready. */
const raiseMs = 40_000;

export interface RaiseOptions {
  /** The Node and the `main` of the program that shall take over. */
  readonly node: string;
  readonly program: string;
  readonly stateDir: string;
  readonly socket: string;
  /** Listening sockets by name of their listener. */
  readonly sockets: ReadonlyMap<string, BoundSocket>;
  readonly takeOver: Omit<Extract<ToSuccessor, { readonly kind: 'take-over' }>, 'kind' | 'protocol'>;
  /** Asked once the new one is ready. */
  readonly last: () => Promise<LastWords>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** What a new supervisor needs to know at the last moment. */
export interface LastWords {
  /** Null when nobody knows what was counted. */
  readonly counts: MergedState | null;
  /** Process ids of the workers that will come to it. */
  readonly workers: readonly number[];
}

/** Raised with every change that an older peer would misunderstand. */
export const takeOverProtocol = 1;

/**
 * Starts a supervisor and passes it the listening sockets. Resolves when it is in charge: it has workers that accept
 * connections, the control socket, the lock and the counts. Until then the caller changes nothing that the new one was
 * told.
 *
 * @returns its process id
 * @throws Error with what the new one says; it is gone then, and nothing has changed
 */
export function raiseSuccessor(options: RaiseOptions): Promise<number> {
  const { node, program, stateDir, socket, sockets, takeOver, last, log, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(node, [program, '--state-dir', stateDir, '--socket', socket, '--take-over'], {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'json',
      cwd: '/',
    });
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      child.removeAllListeners();
      // What is still to come of it is nobody's business any more.
      child.on('error', () => {});
      if (child.connected) child.disconnect();
      child.unref();
      done();
    };
    const fail = (message: string): void =>
      settle(() => {
        child.kill('SIGKILL');
        reject(new Error(message));
      });
    const timer = setTimeout(() => fail(`the new supervisor was not ready within ${raiseMs} ms`), raiseMs);
    const aborted = (): void => fail('it was called off');
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener('abort', aborted, { once: true });
    child.once('error', (error) => fail(`${node} cannot be started: ${error.message}`));
    child.once('exit', (code, by) => fail(`the new supervisor ended with ${by ?? `status ${code}`}`));
    const say = (message: ToSuccessor, held: BoundSocket | null): void => {
      // Node's types know of `net.Server` alone, which would begin to accept on the other side.
      child.send(message, (held?.handle ?? undefined) as never, () => {});
    };
    child.on('message', (message: FromSuccessor) => {
      switch (message.kind) {
        case 'ready':
          last().then(
            (words) => say({ kind: 'counts', ...words }, null),
            (error: unknown) => fail(String(error)),
          );
          return;
        case 'in-charge': {
          const { pid } = child;
          log('info', 'handed-over', { to: pid });
          settle(() => resolve(pid ?? 0));
          return;
        }
        case 'failed':
          fail(message.message);
          return;
      }
    });
    for (const [name, held] of sockets) say({ kind: 'socket', name, host: held.host, port: held.port }, held);
    say({ kind: 'take-over', protocol: takeOverProtocol, ...takeOver }, null);
  });
}
