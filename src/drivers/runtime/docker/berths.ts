import { formatIpv4, parseSubnet } from '../../../core/units/subnet.ts';
import type { NetworkPlan } from './network-plan.ts';
import type { SlotDesire } from '../runtime.ts';
import type { PortRange } from '../supervision/ports.ts';
import type { Berth } from '../supervision/supervisor.ts';

/**
 * Gives every instance an address of its own in the environment's network, and ports of its own, so that both stay what they
 * are over restarts. They go round their ranges: what was just given back is given again last.
 */
export class Berths {
  /** Address of this machine, for instances: the first one of their network where they have one here. */
  readonly machine: string;
  /** Null where all have the address of their Docker host. */
  readonly #hosts: Ring | null;
  readonly #published: string;
  readonly #ports: Ring;
  readonly #text: string;

  constructor(network: NetworkPlan, ports: PortRange) {
    this.#ports = new Ring(ports.from, ports.to);
    if (network.kind === 'published') {
      this.#text = this.#published = network.address;
      this.machine = network.machine;
      this.#hosts = null;
      return;
    }
    const { subnet } = network;
    this.#published = '';
    const read = parseSubnet(subnet);
    if (!read.ok) throw new TypeError(`${subnet} is not ${read.expected}`);
    const { base, size, text } = read.value;
    this.#text = text;
    this.machine = formatIpv4(base + 1);
    // Without the network's own address, this machine's, and the one for all.
    this.#hosts = new Ring(base + 2, base + size - 2);
  }

  take(desire: SlotDesire): Berth | null {
    const host = this.#hosts?.take() ?? null;
    const port = this.#ports.take();
    const metricsPort = desire.metrics === true ? this.#ports.take() : undefined;
    const isPlaced = host !== null || this.#hosts === null;
    if (isPlaced && port !== null && metricsPort !== null) {
      return {
        host: host === null ? this.#published : formatIpv4(host),
        port,
        ...(metricsPort === undefined ? {} : { metricsPort }),
      };
    }
    if (host !== null) this.#hosts?.giveBack(host);
    for (const taken of [port, metricsPort]) if (taken !== null && taken !== undefined) this.#ports.giveBack(taken);
    return null;
  }

  /** A port for metrics of an instance that has had none. */
  takePort(): number | null {
    return this.#ports.take();
  }

  keep({ host, port, metricsPort }: Berth): void {
    if (host !== undefined) this.#hosts?.keep(numberOf(host));
    this.#ports.keep(port);
    if (metricsPort !== undefined) this.#ports.keep(metricsPort);
  }

  giveBack({ host, port, metricsPort }: Berth): void {
    if (host !== undefined) this.#hosts?.giveBack(numberOf(host));
    this.#ports.giveBack(port);
    if (metricsPort !== undefined) this.#ports.giveBack(metricsPort);
  }

  /** What is short for so many more instances, in words; null when there is room. */
  shortage(count: number, each: number): string | null {
    if (this.#hosts !== null && this.#hosts.free < count)
      return `${this.#hosts.free} addresses of ${this.#text} are free`;
    if (this.#ports.free < count * each) return `${this.#ports.free} of its ports are free`;
    return null;
  }
}

const numberOf = (host: string): number => host.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** Whole numbers of a range, given in turn. */
class Ring {
  readonly #from: number;
  readonly #size: number;
  readonly #taken = new Set<number>();
  #next = 0;

  constructor(from: number, to: number) {
    this.#from = from;
    this.#size = Math.max(0, to - from + 1);
  }

  get free(): number {
    return this.#size - this.#taken.size;
  }

  take(): number | null {
    for (let tried = 0; tried < this.#size; tried += 1) {
      const found = this.#from + ((this.#next + tried) % this.#size);
      if (this.#taken.has(found)) continue;
      this.#next = (found - this.#from + 1) % this.#size;
      this.#taken.add(found);
      return found;
    }
    return null;
  }

  /** What lies outside, as after a change of the range, takes no place in it. */
  keep(value: number): void {
    if (value >= this.#from && value < this.#from + this.#size) this.#taken.add(value);
  }

  giveBack(value: number): void {
    this.#taken.delete(value);
  }
}
