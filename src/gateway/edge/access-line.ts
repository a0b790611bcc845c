import type { AccessLogSettings } from '../../core/gateway-settings.ts';
import type { DayKey } from './day-key.ts';
import { ClientNetwork } from './network.ts';
import { withoutPersonalData } from './personal-data.ts';
import { programFamily } from './user-agent.ts';

/** A request that was answered, as the gateway knows it: everything, personal data too. What is kept of it is a line. */
export interface AccessRecord {
  /** UTC milliseconds of the end. */
  readonly at: number;
  /** Null when no service has the host and path. */
  readonly service: string | null;
  readonly arm: 'stable' | 'candidate' | null;
  readonly release: string | null;
  readonly method: string;
  /** Request target or path, with or without query. */
  readonly path: string;
  /** Path prefixes of the service's route: kept as they are. */
  readonly routePaths: readonly string[];
  /** 0 when the client went away before an answer. */
  readonly status: number;
  /** Value of `x-veza-error`, or `hidden`; null for an instance's answer. */
  readonly code: string | null;
  /** From the end of the request to the head of the answer; null when there was none. */
  readonly latencyMs: number | null;
  /** Bytes of body from the client, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** `TLSv1.3`; null on the plain listener. */
  readonly tls: string | null;
  readonly requestId: string;
  readonly clientAddress: string;
  readonly userAgent: string | null;
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** Ids that machines make: hexadecimal, with a letter in it (so no number of a telephone), or ULID. */
const machineId = /^(?=[0-9-]*[a-f])[0-9a-f-]{16,64}$|^(?=[0-9]*[A-Z])[0-9A-HJKMNP-TV-Z]{26}$/;

const mostKnown = 2_048;

/** Makes lines of an access log. Each holds what tells a good release from a bad one, and nothing that tells who was there. */
export class AccessLines {
  readonly #addresses: AccessLogSettings['addresses'];
  readonly #dayKey: DayKey;
  readonly #network = new ClientNetwork();
  /** Paths and clients come again and again; both are only held in memory, and not for long. */
  readonly #paths = new Map<string, string>();
  readonly #clients = new Map<string, string>();
  #day = 0;

  /** @param dayKey for hashed addresses */
  constructor(addresses: AccessLogSettings['addresses'], dayKey: DayKey) {
    this.#addresses = addresses;
    this.#dayKey = dayKey;
  }

  /** One line with its line break. */
  line(record: AccessRecord): string {
    return `${JSON.stringify({
      at: new Date(record.at).toISOString(),
      service: record.service,
      arm: record.arm,
      release: record.release,
      method: methods.has(record.method) ? record.method : 'other',
      path: this.#path(record.path, record.routePaths),
      status: record.status,
      code: record.code,
      ms: record.latencyMs === null ? null : Math.round(record.latencyMs * 10) / 10,
      in: record.bytesIn,
      out: record.bytesOut,
      protocol: record.protocol,
      tls: record.tls,
      request: machineId.test(record.requestId) ? record.requestId : ':own',
      client: this.#client(record.clientAddress, record.at),
      agent: programFamily(record.userAgent),
    })}\n`;
  }

  #path(path: string, routePaths: readonly string[]): string {
    const query = path.indexOf('?');
    const bare = query === -1 ? path : path.slice(0, query);
    const key = `${routePaths.join(' ')} ${bare}`;
    const found = this.#paths.get(key);
    if (found !== undefined) return found;
    const kept = withoutPersonalData(bare, routePaths);
    if (this.#paths.size >= mostKnown) this.#paths.clear();
    if (bare.length <= 200) this.#paths.set(key, kept);
    return kept;
  }

  #client(address: string, at: number): string {
    const day = Math.floor(at / 86_400_000);
    if (day !== this.#day || this.#clients.size >= mostKnown) {
      this.#clients.clear();
      this.#day = day;
    }
    let client = this.#clients.get(address);
    if (client === undefined) {
      client = this.#addresses === 'hashed' ? this.#dayKey.pseudonym(address, at) : this.#truncated(address);
      this.#clients.set(address, client);
    }
    return client;
  }

  #truncated(address: string): string {
    this.#network.read(address);
    return this.#network.truncated() ?? 'unknown';
  }
}
