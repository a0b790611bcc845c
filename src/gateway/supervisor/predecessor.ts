import type { BoundSocket, SocketHandle } from '../../system/bind-socket.ts';
import type { FromSuccessor, ToSuccessor } from './messages.ts';
import { takeOverProtocol, type LastWords } from './raise-successor.ts';

export type TakeOver = Extract<ToSuccessor, { readonly kind: 'take-over' }>;

/** Whoever started this supervisor to take over: the one in charge, or a worker that lost its own. */
export class Predecessor {
  readonly #sockets = new Map<string, BoundSocket>();
  readonly #takeOver = Promise.withResolvers<TakeOver>();
  readonly #counts = Promise.withResolvers<LastWords>();
  #inCharge = false;

  /** @param onGone called when it ends before this supervisor is in charge */
  constructor(onGone: () => void) {
    process.on('message', (message: ToSuccessor, handle: unknown) => this.#onMessage(message, handle));
    process.once('disconnect', () => {
      if (!this.#inCharge) onGone();
    });
  }

  /** The listening sockets by name of their listener; complete once `takeOver` has come. */
  get sockets(): ReadonlyMap<string, BoundSocket> {
    return this.#sockets;
  }

  /** What there is to take over. @throws Error when the other one is of a version that cannot be understood */
  get takeOver(): Promise<TakeOver> {
    return this.#takeOver.promise;
  }

  /** Workers accept connections. */
  ready(): Promise<LastWords> {
    say({ kind: 'ready' });
    return this.#counts.promise;
  }

  inCharge(): void {
    this.#inCharge = true;
    say({ kind: 'in-charge' });
  }

  failed(message: string): Promise<void> {
    this.#inCharge = true;
    return new Promise((resolve) => {
      if (process.send === undefined || !process.connected) resolve();
      else process.send({ kind: 'failed', message } satisfies FromSuccessor, undefined, {}, () => resolve());
    });
  }

  #onMessage(message: ToSuccessor, handle: unknown): void {
    switch (message.kind) {
      case 'socket':
        this.#sockets.set(message.name, { host: message.host, port: message.port, handle: handle as SocketHandle });
        return;
      case 'take-over':
        if (message.protocol === takeOverProtocol) this.#takeOver.resolve(message);
        else {
          this.#takeOver.reject(
            new Error(
              `the gateway in charge hands over by protocol ${message.protocol}, this version by ${takeOverProtocol}`,
            ),
          );
        }
        return;
      case 'counts':
        this.#counts.resolve(message);
        return;
    }
  }
}

function say(message: FromSuccessor): void {
  if (process.connected) process.send?.(message);
}
