import net, { type Server } from 'node:net';
import type { DataPlane, Listener } from '../data-plane.ts';
import type { BoundSocket, SocketHandle } from '../../system/bind-socket.ts';
import type { SocketForWorker } from '../supervisor/messages.ts';

/** Connections that wait in the kernel until a worker takes them; shared by all workers. */
const backlog = 4_096;
/** Milliseconds that a socket may be late behind the message that speaks of it: they come by two ways. */
const lateMs = 3_000;

interface Handed {
  readonly listener: Listener;
  readonly held: BoundSocket;
}

interface Open extends Handed {
  readonly server: Server;
}

/** Listening sockets that the supervisor has passed on. */
export class HandedSockets {
  readonly #arrived = new Map<string, Handed>();
  readonly #waiting = new Map<string, (handed: Handed) => void>();
  readonly #open = new Map<string, Open>();

  constructor() {
    process.on('message', (message: SocketForWorker, handle: unknown) => {
      const { listener, host, port } = message;
      const handed: Handed = { listener, held: { host, port, handle: handle as SocketHandle } };
      const waiting = this.#waiting.get(listener.name);
      if (waiting === undefined) this.#arrived.set(listener.name, handed);
      else waiting(handed);
    });
  }

  /** What this worker listens on, by name. */
  get held(): ReadonlyMap<string, BoundSocket> {
    return new Map([...this.#open].map(([name, { held }]) => [name, held]));
  }

  /**
   * Lets the data plane accept from a socket that has been passed on, in place of one of the same name.
   *
   * @throws Error when it does not come, or cannot be listened on
   */
  async listen(name: string, plane: DataPlane): Promise<void> {
    const handed = await this.#take(name);
    const server = net.createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // The handle is one that `listen` takes: it is what Node's own cluster passes.
      server.listen(handed.held.handle as never, backlog, () => {
        server.off('error', reject);
        server.on('error', () => {});
        this.unlisten(name, plane);
        this.#open.set(name, { ...handed, server });
        // In the same turn as the socket began to accept: no connection comes before.
        plane.listen(handed.listener, server);
        resolve();
      });
    });
  }

  unlisten(name: string, plane: DataPlane): void {
    const open = this.#open.get(name);
    if (open === undefined) return;
    this.#open.delete(name);
    plane.unlisten(name);
    if (open.server.listening) open.server.close();
  }

  /** The data plane has stopped listening. */
  closeAll(): void {
    for (const { server } of this.#open.values()) if (server.listening) server.close();
    this.#open.clear();
  }

  #take(name: string): Promise<Handed> {
    const arrived = this.#arrived.get(name);
    this.#arrived.delete(name);
    if (arrived !== undefined) return Promise.resolve(arrived);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(name);
        reject(new Error(`the listening socket ${name} did not come within ${lateMs} ms`));
      }, lateMs);
      this.#waiting.set(name, (handed) => {
        clearTimeout(timer);
        this.#waiting.delete(name);
        resolve(handed);
      });
    });
  }
}
