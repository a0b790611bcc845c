import { spawn } from 'node:child_process';
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { DockerUnreachableError } from '../../../../errors.ts';

/** A machine with a Docker Engine. */
export type DockerHost =
  | { readonly kind: 'socket'; readonly path: string }
  /** By the user's own `ssh`, with his configuration, keys and known hosts; `user@host:port` or a name from there. */
  | { readonly kind: 'ssh'; readonly destination: string };

export const hostInWords = (host: DockerHost): string =>
  host.kind === 'socket' ? host.path : `ssh://${host.destination}`;

export interface Asked {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'HEAD';
  /** With its query. */
  readonly path: string;
  readonly json?: unknown;
  readonly body?: AsyncIterable<Uint8Array>;
  readonly contentType?: string;
  readonly signal: AbortSignal;
}

/**
 * HTTP to a Docker Engine: over its socket, or over `ssh … docker system dial-stdio`, which is how Docker's own client
 * reaches remote ones.
 */
export class DockerConnection {
  readonly #host: DockerHost;
  readonly #agent: Agent;

  constructor(host: DockerHost) {
    this.#host = host;
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: 4, timeout: 30_000 });
    this.#agent.createConnection = () => this.#open();
  }

  /** @throws DockerUnreachableError; the signal's reason */
  async ask(asked: Asked): Promise<IncomingMessage> {
    const { signal, body, json } = asked;
    signal.throwIfAborted();
    const asking = this.#request(asked, this.#agent);
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      asking.once('response', resolve);
      asking.once('error', (error) => reject(this.#failure(error, signal)));
    });
    // Waited for below; while a body is sent nobody looks.
    answer.catch(() => undefined);
    if (body === undefined) asking.end(json === undefined ? undefined : JSON.stringify(json));
    else await this.#send(asking, body, answer);
    return answer;
  }

  /** Asks for a connection to be handed over (`101`), for streams in both directions. */
  async hijack(asked: Omit<Asked, 'body'>): Promise<Duplex> {
    const { signal } = asked;
    signal.throwIfAborted();
    // A connection of its own: it is not given back.
    const asking = this.#request({ ...asked, upgrade: true }, undefined);
    return new Promise((resolve, reject) => {
      asking.once('upgrade', (_answer, socket, head) => {
        if (head.byteLength > 0) socket.unshift(head);
        resolve(socket);
      });
      asking.once('response', (answer) => {
        answer.resume();
        reject(new Error(`the Docker Engine answered ${answer.statusCode ?? 0} to ${asked.path}`));
      });
      asking.once('error', (error) => reject(this.#failure(error, signal)));
      asking.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(asking: ClientRequest, body: AsyncIterable<Uint8Array>, answer: Promise<unknown>): Promise<void> {
    // An answer that comes before all is sent is a refusal.
    let answered = false;
    const early = answer.then(
      () => (answered = true),
      () => (answered = true),
    );
    for await (const chunk of body) {
      if (answered) return;
      if (asking.write(chunk)) continue;
      await Promise.race([early, new Promise((resolve) => asking.once('drain', resolve))]);
    }
    asking.end();
  }

  #request(
    { method, path, json, contentType, signal, upgrade }: Asked & { readonly upgrade?: boolean },
    agent: Agent | undefined,
  ): ClientRequest {
    return request({
      method,
      path,
      signal,
      host: 'docker',
      ...(agent === undefined ? { createConnection: () => this.#open() } : { agent }),
      headers: {
        host: 'docker',
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
        ...(upgrade === true ? { connection: 'Upgrade', upgrade: 'tcp' } : {}),
      },
    });
  }

  #open(): Duplex {
    if (this.#host.kind === 'socket') return connect(this.#host.path);
    const options = ['BatchMode=yes', 'ConnectTimeout=5', 'ServerAliveInterval=5', 'ServerAliveCountMax=3'];
    const args = [...options.flatMap((option) => ['-o', option]), '--', hostInWords(this.#host)];
    const child = spawn('ssh', [...args, 'docker', 'system', 'dial-stdio'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const socket = Duplex.from({ readable: child.stdout, writable: child.stdin });
    // Between two requests nobody listens to it.
    socket.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-500)));
    child.once('error', (error) => socket.destroy(error));
    child.once('exit', (status) => {
      if (status !== 0) socket.destroy(new Error(said.trim().split('\n').at(-1) ?? `ssh ended with status ${status}`));
    });
    socket.once('close', () => child.kill());
    // What node:http asks of sockets, and a pipe does not have.
    return Object.assign(socket, {
      setNoDelay: () => socket,
      setKeepAlive: () => socket,
      setTimeout: () => socket,
      ref: () => socket,
      unref: () => socket,
    });
  }

  #failure(error: Error, signal: AbortSignal): Error {
    return signal.aborted ? (signal.reason as Error) : new DockerUnreachableError(hostInWords(this.#host), error);
  }
}
