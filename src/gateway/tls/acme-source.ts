import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { CertificateHealth } from '../../core/gateway-control.ts';
import type { CertificateSource } from '../../core/gateway-settings.ts';
import { CertificateOrderError } from '../../errors.ts';
import { makeKey, orderCertificate, type Account, type OpenOrder } from './acme-order.ts';
import { AuthorityLine } from './acme-transport.ts';
import type { CertificateBundle } from './certificate-bundle.ts';
import { checkCertificate, type CheckedCertificate } from './certificate-check.ts';
import type { SourceInCharge, SourceSurroundings } from './certificate-source.ts';
import { readIfThere, writePrivateFile } from './private-file.ts';
import { renewalInfo } from './renewal-info.ts';
import { makeLeaf } from './x509.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const longestPauseMs = 6 * hourMs;
/** A renewal that the authority asks for waits so long after the last one, or a confused authority had us order for ever. */
const betweenRenewalsMs = hourMs;

type AcmeSettings = CertificateSource & { readonly kind: 'acme' };

export interface AcmeSurroundings extends SourceSurroundings {
  onChallenges(answers: Readonly<Record<string, string>>): Promise<void>;
  /** Milliseconds between two looks at an order. */
  readonly pollMs: number;
}

/** What is kept besides the certificate: a restart must not use up the authority's patience. */
interface Attempts {
  readonly failures: number;
  /** UTC milliseconds. */
  readonly notBefore: number;
  readonly rateLimited: boolean;
  /** Why the last one failed; null when it did not. */
  readonly reason: string | null;
}

const noFailure: Attempts = { failures: 0, notBefore: 0, rateLimited: false, reason: null };

interface Kept {
  readonly certificate: string;
  readonly key: string;
  /** UTC milliseconds by our clock. */
  readonly issuedAt: number;
}

/** One certificate for some hosts from an authority, renewed before it ends and when the authority wants it. */
export class AcmeSource implements SourceInCharge {
  readonly #settings: AcmeSettings;
  readonly #around: AcmeSurroundings;
  readonly #folder: string;
  readonly #accountFile: string;
  /** Share of the lifetime by which this one is renewed earlier than at two thirds, so that many do not come at once. */
  readonly #jitter: number;
  #line: AuthorityLine | null = null;
  #current: CheckedCertificate | null = null;
  #issuedAt = 0;
  #placeholder: CertificateBundle | null = null;
  #attempts: Attempts = noFailure;
  #askAt = 0;
  /** UTC milliseconds that the authority suggests. */
  #suggested: number | null = null;
  /** Somebody wants a new one whatever the old one is: at once, or (it was tried and failed) when it is tried again. */
  #wanted: 'now' | 'again' | null = null;

  constructor(settings: AcmeSettings, around: AcmeSurroundings) {
    const { directory } = settings;
    const hosts = settings.hosts.map((host) => host.toLowerCase());
    this.#settings = { ...settings, hosts };
    this.#around = around;
    this.#folder = join(around.folder, `acme-${digest([directory, ...hosts.toSorted()].join('\n'))}`);
    this.#accountFile = join(around.folder, `acme-account-${digest(directory)}.json`);
    this.#jitter = around.random() * 0.05;
  }

  get bundle(): CertificateBundle | null {
    return this.#current ?? this.#placeholder;
  }

  get status(): CertificateHealth {
    const current = this.#current;
    return {
      source: 'acme',
      shown: current === null ? 'placeholder' : 'real',
      hosts: this.#settings.hosts,
      expiresAt: this.bundle?.notAfter ?? null,
      renewAt: current === null ? this.#attempts.notBefore : this.#renewAt(current),
      warning: this.#warning(),
      note: null,
    };
  }

  get dueAt(): number {
    const current = this.#current;
    if (this.#wanted === 'now' && !this.#attempts.rateLimited) return 0;
    if (current === null || this.#wanted !== null) return this.#attempts.notBefore;
    return Math.min(this.#askAt, Math.max(this.#renewAt(current), this.#attempts.notBefore));
  }

  renewNow(): void {
    this.#wanted = 'now';
  }

  /** What is there from before, or a placeholder: TLS is up before anybody has been asked. */
  async prepare(): Promise<void> {
    const kept = await this.#read<Kept>('certificate.json');
    if (kept !== null) {
      try {
        this.#current = this.#checked(kept);
        this.#issuedAt = kept.issuedAt;
      } catch (error) {
        this.#around.log('warn', 'certificate-refused', { reason: (error as Error).message });
      }
    }
    this.#attempts = { ...noFailure, ...(await this.#read<Partial<Attempts>>('attempts.json')) };
    await this.#placeholderIfNeeded();
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#placeholderIfNeeded();
    const now = this.#around.now();
    try {
      this.#line ??= new AuthorityLine(this.#settings.directory, await this.#trust());
      const current = this.#current;
      if (current !== null && now >= this.#askAt) await this.#ask(this.#line, current, signal);
      if (this.#orderIsDue(this.#around.now())) await this.#order(this.#line, signal);
    } catch (error) {
      if (signal.aborted) return;
      await this.#failed(error);
    }
  }

  async close(): Promise<void> {
    await this.#line?.close();
  }

  #orderIsDue(now: number): boolean {
    if (this.#wanted === 'now' && !this.#attempts.rateLimited) return true;
    if (now < this.#attempts.notBefore) return false;
    return this.#wanted !== null || this.#current === null || now >= this.#renewAt(this.#current);
  }

  #renewAt(current: CheckedCertificate): number {
    const lifetime = current.notAfter - current.notBefore;
    const usual = current.notBefore + lifetime * (2 / 3 - this.#jitter);
    if (this.#suggested === null) return usual;
    return Math.min(usual, Math.max(this.#suggested, this.#issuedAt + betweenRenewalsMs));
  }

  async #ask(line: AuthorityLine, current: CheckedCertificate, signal: AbortSignal): Promise<void> {
    const now = this.#around.now();
    // Not being told is no failure: the usual time stays.
    this.#askAt = now + hourMs;
    try {
      const info = await renewalInfo(line, current.leaf, signal);
      if (info === null) {
        this.#askAt = now + dayMs;
        return;
      }
      const { start, end, askAgainMs } = info;
      this.#askAt = now + Math.min(dayMs, Math.max(minuteMs, askAgainMs));
      // A moment of the window at random (RFC 9773, 4.2), drawn once.
      const drawn = this.#suggested;
      if (drawn === null || drawn < start || drawn > end)
        this.#suggested = start + (end - start) * this.#around.random();
      if (end < now) {
        this.#around.log('warn', 'certificate-to-be-replaced', {
          hosts: this.#settings.hosts,
          reason: 'the authority says so',
        });
      }
    } catch (error) {
      if (signal.aborted) throw error;
      this.#around.log('info', 'renewal-info-unavailable', { reason: (error as Error).message });
    }
  }

  async #order(line: AuthorityLine, signal: AbortSignal): Promise<void> {
    const { hosts, email } = this.#settings;
    this.#around.log('info', 'certificate-ordered', { hosts, authority: line.directory });
    const pair = await orderCertificate(
      {
        line,
        account: await this.#account(),
        email,
        hosts,
        open: await this.#read<OpenOrder>('order.json'),
        pollMs: this.#around.pollMs,
        keep: (open) => this.#write('order.json', open),
        keepAccount: (account) => writePrivateFile(this.#accountFile, JSON.stringify(account)),
        onChallenges: (answers) => this.#around.onChallenges(answers),
      },
      signal,
    );
    const kept: Kept = { ...pair, issuedAt: this.#around.now() };
    const current = this.#checked(kept);
    await this.#write('certificate.json', kept);
    await rm(join(this.#folder, 'order.json'), { force: true });
    await this.#write('attempts.json', noFailure);
    this.#attempts = noFailure;
    this.#current = current;
    this.#issuedAt = kept.issuedAt;
    this.#askAt = 0;
    this.#suggested = null;
    this.#wanted = null;
    this.#around.log('info', 'certificate-issued', { hosts, notAfter: new Date(current.notAfter).toISOString() });
  }

  async #failed(error: unknown): Promise<void> {
    const now = this.#around.now();
    const failures = this.#attempts.failures + 1;
    const { problem, retryAfterMs } =
      error instanceof CertificateOrderError ? error : { problem: null, retryAfterMs: null };
    const backoff =
      Math.min(longestPauseMs, minuteMs * 2 ** Math.min(failures - 1, 20)) * (0.75 + this.#around.random() / 2);
    const pause = Math.max(backoff, retryAfterMs ?? 0);
    const rateLimited = problem === 'rateLimited' || retryAfterMs !== null;
    const reason = (error as Error).message;
    this.#attempts = { failures, notBefore: now + pause, rateLimited, reason };
    if (this.#wanted !== null) this.#wanted = 'again';
    this.#around.log('warn', 'certificate-not-issued', {
      hosts: this.#settings.hosts,
      reason,
      nextTry: new Date(this.#attempts.notBefore).toISOString(),
    });
    if (problem === 'accountDoesNotExist') {
      // It has forgotten us: the same key registers again.
      const { key } = await this.#account();
      await writePrivateFile(this.#accountFile, JSON.stringify({ key, url: null } satisfies Account));
    }
    // What the authority has refused is not gone on with; it would refuse it again.
    if (problem !== null && !rateLimited) await rm(join(this.#folder, 'order.json'), { force: true });
    try {
      await this.#write('attempts.json', this.#attempts);
    } catch (unwritten) {
      this.#around.log('error', 'state-not-written', { folder: this.#folder, reason: (unwritten as Error).message });
    }
  }

  #warning(): string | null {
    const hosts = this.#settings.hosts.join(', ');
    const current = this.#current;
    const { reason, notBefore } = this.#attempts;
    if (reason === null) {
      return current === null
        ? `${hosts}: no certificate has been issued yet; clients are shown one that they will not trust.`
        : null;
    }
    const now = this.#around.now();
    const until = current === null ? null : new Date(current.notAfter).toISOString();
    const meanwhile =
      until === null || current === null
        ? 'Clients are shown one that they will not trust.'
        : current.notAfter <= now
          ? `The present certificate expired on ${until}.`
          : `The present certificate is valid until ${until}.`;
    return `${hosts}: ${reason} ${meanwhile} Next try at ${new Date(notBefore).toISOString()}.`;
  }

  async #placeholderIfNeeded(): Promise<void> {
    const now = this.#around.now();
    if (this.#current !== null || (this.#placeholder !== null && this.#placeholder.notAfter > now + dayMs)) return;
    const { hosts } = this.#settings;
    const pair = await makeLeaf(hosts, null, { from: now, ms: 30 * dayMs }, randomBytes(16));
    this.#placeholder = { ...pair, hosts, notAfter: now + 30 * dayMs, source: 'placeholder' };
  }

  async #account(): Promise<Account> {
    const kept = await this.#read<Account>(this.#accountFile);
    if (kept !== null) return kept;
    const made: Account = { key: await makeKey(), url: null };
    await writePrivateFile(this.#accountFile, JSON.stringify(made));
    return made;
  }

  async #trust(): Promise<string | null> {
    return this.#settings.trust === null ? null : await readFile(this.#settings.trust, 'utf8');
  }

  #checked({ certificate, key }: Kept): CheckedCertificate {
    const file = join(this.#folder, 'certificate.json');
    return checkCertificate(certificate, key, { source: 'acme', certificateFile: file, keyFile: file }, null);
  }

  /** Null also when it is damaged: an order can be begun anew. */
  async #read<T>(name: string): Promise<T | null> {
    const text = await readIfThere(resolve(this.#folder, name));
    if (text === null) return null;
    try {
      return JSON.parse(text) as T;
    } catch {
      return null;
    }
  }

  async #write(name: string, content: OpenOrder | Kept | Attempts): Promise<void> {
    await writePrivateFile(join(this.#folder, name), JSON.stringify(content));
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
