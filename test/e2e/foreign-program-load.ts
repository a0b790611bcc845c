import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { classifyAnswer, classifyFailure } from '../../src/load/classify.ts';
import { exchange, type Exchange } from '../../src/load/exchange.ts';
import { isRecord, parseJson } from '../../src/load/json.ts';

/** What became of a run; details name operation, package and time. */
export interface RegistryReport {
  readonly requests: number;
  readonly published: number;
  readonly lost: readonly string[];
  readonly wrong: readonly string[];
  readonly failedByRelease: readonly string[];
  /** Answers a release. */
  readonly byRelease: Readonly<Record<string, number>>;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Version {
  readonly name: string;
  readonly version: string;
}

const timeoutMs = 10_000;
const tarballBytes = 20_000;
const versionsOfPackage = 10;
const packages = 4;
/** Of ten requests: one publishes, one pings, four each read packuments and tarballs. */
const mix = [
  'publish',
  'packument',
  'tarball',
  'packument',
  'tarball',
  'ping',
  'packument',
  'tarball',
  'packument',
  'tarball',
] as const;

/**
 * A client of a package registry that knows every answer it must get: what it publishes is made from its name alone.
 * Requests follow a fixed timetable over kept connections; nothing is tried again. Published versions that were acknowledged
 * are all read back at the end.
 */
export class RegistryLoad {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #agent = new Agent({ keepAlive: true, timeout: 2_000 });
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  readonly #acknowledged: Version[] = [];
  /** Packages that have a publication under way: npm publishes one version of a package at a time, too. */
  readonly #busy = new Set<number>();
  readonly #lost: string[] = [];
  readonly #wrong: string[] = [];
  readonly #failed: string[] = [];
  readonly #byRelease = new Map<string, number>();
  readonly #latencies: number[] = [];
  #requests = 0;
  #nextVersion = 0;

  /** @param rate requests a second */
  constructor(address: { readonly host: string; readonly port: number }, rate: number) {
    this.#address = address;
    this.#running = this.#run(1_000 / rate);
  }

  get requests(): number {
    return this.#requests;
  }

  get lost(): number {
    return this.#lost.length;
  }

  /** Ends the timetable, waits for what is under way, and looks for everything that was acknowledged. */
  async stop(): Promise<RegistryReport> {
    this.#stopped.abort();
    await this.#running;
    for (const published of this.#acknowledged) {
      await this.#packument(published);
      await this.#tarball(published);
    }
    this.#agent.destroy();
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return {
      requests: this.#requests,
      published: this.#acknowledged.length,
      lost: this.#lost,
      wrong: this.#wrong,
      failedByRelease: this.#failed,
      byRelease: Object.fromEntries(this.#byRelease),
      p99Ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
      maxMs: Math.round(sorted.at(-1) ?? 0),
    };
  }

  async #run(intervalMs: number): Promise<void> {
    const start = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let index = 0; !this.#stopped.signal.aborted; index += 1) {
      const wait = start + index * intervalMs - performance.now();
      if (wait > 0) await sleep(wait);
      const one = this.#send(mix[index % mix.length] ?? 'ping', index).finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await Promise.all(underWay);
  }

  async #send(operation: (typeof mix)[number], index: number): Promise<void> {
    const known = this.#acknowledged[(index * 7919) % Math.max(1, this.#acknowledged.length)];
    if (operation === 'publish') return this.#publish();
    if (operation === 'ping' || known === undefined) return this.#ping();
    return operation === 'packument' ? this.#packument(known) : this.#tarball(known);
  }

  async #ping(): Promise<void> {
    await this.#ask('ping', 'GET', '/-/ping', null, 200, ({ body }) => (body.trim() === '{}' ? null : `ping: ${body}`));
  }

  async #publish(): Promise<void> {
    const number = this.#nextVersion;
    const lane = number % packages;
    // The one before of this package is not acknowledged yet.
    if (this.#busy.has(lane)) return this.#ping();
    this.#nextVersion += 1;
    this.#busy.add(lane);
    const turn = Math.floor(number / packages);
    const published: Version = {
      name: `package-${lane}-${Math.floor(turn / versionsOfPackage)}`,
      version: `1.0.${turn % versionsOfPackage}`,
    };
    await this.#ask('publish', 'PUT', `/${published.name}`, publication(published), 201, ({ body }) => {
      this.#acknowledged.push(published);
      const answer = parseJson(body);
      return isRecord(answer) && typeof answer['ok'] === 'string' ? null : `${name(published)}: ${body.slice(0, 200)}`;
    });
    this.#busy.delete(lane);
  }

  async #packument(published: Version): Promise<void> {
    await this.#ask('packument', 'GET', `/${published.name}`, null, 200, ({ body }) => {
      const versions = fieldOf(parseJson(body), 'versions');
      const dist = fieldOf(fieldOf(versions, published.version), 'dist');
      if (dist === undefined) return `${name(published)} was acknowledged and is not listed`;
      if (fieldOf(dist, 'shasum') !== shasum(tarball(published))) return `${name(published)} has another checksum`;
      const url = `http://${this.#address.host}:${this.#address.port}${tarballPath(published)}`;
      return fieldOf(dist, 'tarball') === url
        ? null
        : `${name(published)} is said to be at ${String(fieldOf(dist, 'tarball'))}`;
    });
  }

  async #tarball(published: Version): Promise<void> {
    await this.#ask('tarball', 'GET', tarballPath(published), null, 200, ({ bytes }) =>
      bytes.equals(tarball(published)) ? null : `${name(published)}: ${bytes.length} other bytes`,
    );
  }

  async #ask(
    operation: string,
    method: 'GET' | 'PUT',
    path: string,
    json: Buffer | null,
    expected: number,
    problemOf: (answer: Extract<Exchange, { kind: 'answer' }>) => string | null,
  ): Promise<void> {
    this.#requests += 1;
    const due = performance.now();
    const headers = { host: `${this.#address.host}:${this.#address.port}`, accept: 'application/json' };
    const result = await exchange({
      agent: this.#agent,
      address: this.#address,
      method,
      path,
      headers: json === null ? headers : { ...headers, 'content-type': 'application/json' },
      body: json === null ? null : { bytes: json.length, chunks: [json] },
      timeoutMs,
    });
    const where = `${new Date().toISOString()} ${operation} ${path}`;
    if (result.kind === 'failure') {
      this.#lost.push(`${where}: ${classifyFailure(result.code, result.phase)}, ${result.detail}`);
      return;
    }
    this.#latencies.push(performance.now() - due);
    const release = String(result.headers['x-veza-release'] ?? 'none');
    this.#byRelease.set(release, (this.#byRelease.get(release) ?? 0) + 1);
    const verdict = classifyAnswer(result.status, result.headers, expected);
    switch (verdict.verdict) {
      case 'lost':
        this.#lost.push(`${where}: ${verdict.kind}, ${verdict.detail}`);
        return;
      case 'failed-by-release':
        this.#failed.push(`${where}: status ${result.status} of ${verdict.release}: ${result.body.slice(0, 200)}`);
        return;
      case 'unexpected':
        this.#wrong.push(`${where}: ${verdict.detail}: ${result.body.slice(0, 200)}`);
        return;
      case 'expected': {
        const problem = problemOf(result);
        if (problem !== null) this.#wrong.push(`${where}: ${problem}`);
      }
    }
  }
}

const name = (published: Version): string => `${published.name}@${published.version}`;
const tarballPath = ({ name: of, version }: Version): string => `/${of}/-/${of}-${version}.tgz`;
const shasum = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

/** Bytes that only this version has, all byte values among them; a registry does not look into them. */
function tarball(published: Version): Buffer {
  return createHash('shake256', { outputLength: tarballBytes }).update(name(published)).digest();
}

/** What `npm publish` sends. */
function publication(published: Version): Buffer {
  const bytes = tarball(published);
  const file = `${published.name}-${published.version}.tgz`;
  const dist = {
    shasum: shasum(bytes),
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    tarball: `http://registry.invalid/${published.name}/-/${file}`,
  };
  return Buffer.from(
    JSON.stringify({
      _id: published.name,
      name: published.name,
      'dist-tags': { latest: published.version },
      versions: { [published.version]: { ...published, dist } },
      _attachments: {
        [file]: { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length },
      },
    }),
  );
}

const fieldOf = (value: unknown, key: string): unknown => (isRecord(value) ? value[key] : undefined);
