import type { GatewaySettings } from '../../core/gateway-settings.ts';
import { internalHostOf, type RouteInForce } from '../../core/route-table.ts';
import type { Listener } from '../data-plane.ts';
import { hstsHeader } from '../tls/hsts.ts';
import type { BoundSocket } from '../../system/bind-socket.ts';
import { openSocket } from './listening-sockets.ts';
import type { OfferedSocket } from './workers.ts';

const internalName = (service: string): string => `internal:${service}`;

/** The listening sockets of a gateway, and what each is for. */
export class Sockets {
  readonly #offered = new Map<string, OfferedSocket>();
  /** Sockets that were handed over and that nobody has claimed yet, by address. */
  readonly #spare: Map<string, BoundSocket>;
  /** The same by what they were for, where any port was wanted. */
  readonly #spareByName: ReadonlyMap<string, BoundSocket>;

  /** @param handedOver by name of the listener */
  constructor(handedOver: ReadonlyMap<string, BoundSocket>) {
    this.#spareByName = handedOver;
    this.#spare = new Map([...handedOver.values()].map((socket) => [addressOf(socket.host, socket.port), socket]));
  }

  [Symbol.iterator](): Iterator<OfferedSocket> {
    return this.#offered.values();
  }

  has(service: string): boolean {
    return this.#offered.has(internalName(service));
  }

  internal(service: string): OfferedSocket | null {
    return this.#offered.get(internalName(service)) ?? null;
  }

  /**
   * Opens what the settings want.
   *
   * @returns the settings with the ports that were taken
   * @throws Error with the system's code when an address cannot be listened on
   */
  async openPublic(settings: GatewaySettings): Promise<GatewaySettings> {
    const https = settings.https === null ? null : await this.#take('https', settings.https.host, settings.https.port);
    const http = await this.#take('http', settings.http.host, settings.http.port);
    if (https !== null && settings.https !== null) {
      const { http2 } = settings.https;
      const listener: Listener = { name: 'https', kind: 'public-tls', http2, hsts: hstsHeader(settings.https) };
      this.#offered.set('https', { listener, socket: https });
    }
    const redirectToPort = settings.https?.redirect === true && https !== null ? https.port : null;
    this.#offered.set('http', { listener: { name: 'http', kind: 'public', redirectToPort }, socket: http });
    return {
      ...settings,
      http: { ...settings.http, port: http.port },
      https: settings.https === null || https === null ? null : { ...settings.https, port: https.port },
    };
  }

  /** Opens the internal address of a service without offering it. @throws Error with the system's code */
  async openInternal({ entry }: RouteInForce): Promise<OfferedSocket> {
    const name = internalName(entry.service);
    const socket = await this.#take(name, internalHostOf(entry), entry.internalPort);
    return { listener: { name, kind: 'internal', service: entry.service }, socket };
  }

  /** New workers get it from now on. @returns what was offered under its name before */
  offer(socket: OfferedSocket): OfferedSocket | null {
    const before = this.#offered.get(socket.listener.name) ?? null;
    this.#offered.set(socket.listener.name, socket);
    return before;
  }

  withdraw(name: string): OfferedSocket | null {
    const before = this.#offered.get(name) ?? null;
    this.#offered.delete(name);
    return before;
  }

  /** Closes what was handed over and is wanted no more. */
  closeSpare(): void {
    for (const { handle } of this.#spare.values()) handle.close();
    this.#spare.clear();
  }

  closeAll(): void {
    this.closeSpare();
    for (const { socket } of this.#offered.values()) socket.handle.close();
    this.#offered.clear();
  }

  async #take(name: string, host: string, port: number): Promise<BoundSocket> {
    const same = this.#spareByName.get(name);
    const wanted = port === 0 && same?.host === host ? same.port : port;
    const address = addressOf(host, wanted);
    const spare = this.#spare.get(address);
    if (spare === undefined) return openSocket(host, port);
    this.#spare.delete(address);
    return spare;
  }
}

const addressOf = (host: string, port: number): string => `${host}:${port}`;
