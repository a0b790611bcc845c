import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CertificateHealth } from '../../core/gateway-control.ts';
import type { CertificateSource, HttpsSettings } from '../../core/gateway-settings.ts';
import type { Log } from '../log.ts';
import { AcmeSource } from './acme-source.ts';
import type { CertificateBundle } from './certificate-bundle.ts';
import type { SourceInCharge } from './certificate-source.ts';
import { DevelopmentSource } from './development-source.ts';
import { FilesSource } from './files-source.ts';

/** Milliseconds that it sleeps at most: a clock that jumps, or a machine that was suspended, is noticed. */
const longestSleepMs = 60_000;
/** Certificate and key are written one after the other; they are looked at when it has been quiet for so long. */
const settleMs = 200;

export interface KeeperOptions {
  readonly https: Pick<HttpsSettings, 'certificates' | 'host'>;
  /** Private to the user of the gateway; made when it is not there. */
  readonly folder: string;
  readonly log: Log;
  /** UTC milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** What clients are shown from now on, all of it, in the order of the declaration. */
  onCertificates(bundles: readonly CertificateBundle[]): void;
  /** Resolves when every worker answers these, by token; no token is answered any more that is not among them. */
  onChallenges(answers: Readonly<Record<string, string>>): Promise<void>;
  /** Milliseconds between two looks at an order that an authority works on. */
  readonly pollMs?: number;
}

/** Looks after all certificates of a gateway: reads, makes, orders and renews them, one order at a time. */
export class CertificateKeeper {
  readonly #options: KeeperOptions;
  readonly #sources: readonly SourceInCharge[];
  readonly #stopped = new AbortController();
  readonly #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | null = null;
  #settling: NodeJS.Timeout | null = null;
  #round: Promise<void> = Promise.resolve();
  #prepared: Promise<void> | null = null;
  #published: readonly CertificateBundle[] = [];

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { folder, now, random, log } = options;
    const around = { folder, now, random, log };
    this.#sources = options.https.certificates.map((source) => {
      switch (source.kind) {
        case 'files':
          return new FilesSource(source, around);
        case 'development':
          return new DevelopmentSource([...source.hosts, ...addressesOf(options.https.host)], around);
        case 'acme':
          return new AcmeSource(source, {
            ...around,
            onChallenges: (answers) => options.onChallenges(answers),
            pollMs: options.pollMs ?? 2_000,
          });
        default:
          return source satisfies never;
      }
    });
  }

  /** Resolves when each host has something to show, a placeholder at least. No authority is asked. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#prepare();
    return this.#prepared;
  }

  /** Begins to order, to renew and to watch. To be called when challenges can be answered: an authority fetches them at once. */
  async start(): Promise<void> {
    await this.prepare();
    if (this.#stopped.signal.aborted) return;
    this.#watchFiles();
    this.#plan();
  }

  /** Does what is due by the clock. It is called by itself; by hand when the clock is not that of the machine. */
  tick(): Promise<void> {
    this.#round = this.#round.then(() => this.#check());
    return this.#round;
  }

  /**
   * Replaces certificates however fresh they are: those for this host, or all that are ours to replace. Resolves when it
   * has been tried; what came of it is in `status`.
   *
   * @returns false when none is for this host
   */
  async renew(host: string | null): Promise<boolean> {
    const wanted = this.#sources.filter(({ status }) => host === null || status.hosts.includes(host.toLowerCase()));
    for (const source of wanted) source.renewNow();
    await this.tick();
    return wanted.length > 0;
  }

  /** Gives up what is under way; what clients are shown stays. */
  async close(): Promise<void> {
    this.#stopped.abort();
    for (const watcher of this.#watchers) watcher.close();
    if (this.#settling !== null) clearTimeout(this.#settling);
    await this.#round;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const source of this.#sources) if (source instanceof AcmeSource) await source.close();
  }

  get warnings(): readonly string[] {
    return this.#sources.flatMap(({ status }) => (status.warning === null ? [] : [status.warning]));
  }

  get status(): readonly CertificateHealth[] {
    return this.#sources.map(({ status }) => status);
  }

  /** Certificates from files of which there is none that a client would accept, and why. */
  get unusable(): readonly { readonly source: CertificateSource; readonly reason: string }[] {
    return this.#options.https.certificates.flatMap((source, at) => {
      const keeper = this.#sources[at];
      const reason = keeper instanceof FilesSource ? keeper.unusable : null;
      return reason === null ? [] : [{ source, reason }];
    });
  }

  /**
   * For one that shall take another's place, once it is prepared.
   *
   * @param before sources that were of no use to the other one either: they are no reason to keep it
   * @throws Error naming the file, and what is wrong with it, when fewer certificates could be shown from now on
   */
  refuseIfWorse(before: readonly CertificateSource[]): void {
    const worse = this.unusable.find(({ source }) => !before.some((known) => isDeepStrictEqual(known, source)));
    if (worse !== undefined) throw new Error(worse.reason);
  }

  async #prepare(): Promise<void> {
    for (const source of this.#sources) {
      if (source instanceof AcmeSource) await source.prepare();
      else await source.check(this.#stopped.signal);
    }
    this.#publish();
  }

  async #check(): Promise<void> {
    const { signal } = this.#stopped;
    for (const source of this.#sources) {
      if (signal.aborted) return;
      if (source.dueAt > this.#options.now()) continue;
      try {
        await source.check(signal);
      } catch (error) {
        this.#options.log('error', 'certificate-check-failed', { reason: (error as Error).message });
      }
      this.#publish();
    }
    this.#plan();
  }

  #publish(): void {
    const bundles = this.#sources.flatMap(({ bundle }) => (bundle === null ? [] : [bundle]));
    const same =
      bundles.length === this.#published.length &&
      bundles.every((bundle, at) => bundle.certificate === this.#published[at]?.certificate);
    if (same) return;
    this.#published = bundles;
    this.#options.onCertificates(
      bundles.map(({ hosts, certificate, key, notAfter, source }) => ({ hosts, certificate, key, notAfter, source })),
    );
  }

  #plan(): void {
    if (this.#stopped.signal.aborted || this.#sources.length === 0) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const dueAt = Math.min(...this.#sources.map((source) => source.dueAt));
    // Not less than this, so that a source that is due for ever costs little.
    const sleepMs = Math.min(longestSleepMs, Math.max(100, dueAt - this.#options.now()));
    this.#timer = setTimeout(() => void this.tick(), sleepMs);
    this.#timer.unref();
  }

  #watchFiles(): void {
    const folders = new Set<string>();
    for (const source of this.#options.https.certificates) {
      if (source.kind !== 'files') continue;
      folders.add(dirname(source.certificate));
      folders.add(dirname(source.key));
    }
    for (const folder of folders) {
      try {
        const watcher = watch(folder, () => this.#filesChanged());
        // A folder that goes away is found again by the regular look.
        watcher.on('error', () => watcher.close());
        watcher.unref();
        this.#watchers.push(watcher);
      } catch {
        // The same: the regular look does without.
      }
    }
  }

  #filesChanged(): void {
    if (this.#settling !== null) clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      for (const source of this.#sources) if (source instanceof FilesSource) source.renewNow();
      void this.tick();
    }, settleMs);
    this.#settling.unref();
  }
}

/** Who listens on this machine alone is asked for by address, too. @param host that is listened on */
const addressesOf = (host: string): readonly string[] =>
  host === 'localhost' || host === '::1' || host.startsWith('127.') ? ['127.0.0.1', '::1'] : [];
