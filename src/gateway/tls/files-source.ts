import { readFile } from 'node:fs/promises';
import { CertificateRefusedError } from '../../errors.ts';
import type { CertificateHealth } from '../../core/gateway-control.ts';
import type { CertificateSource } from '../../core/gateway-settings.ts';
import { checkCertificate, type CheckedCertificate } from './certificate-check.ts';
import type { SourceInCharge, SourceSurroundings } from './certificate-source.ts';

/** Milliseconds between two looks at files whose change nobody announced (network file systems do not). */
const lookEveryMs = 60_000;

/** A certificate that somebody else puts into files, and replaces there. */
export class FilesSource implements SourceInCharge {
  readonly #files: CertificateSource & { readonly kind: 'files' };
  readonly #around: SourceSurroundings;
  #current: CheckedCertificate | null = null;
  #problem: string | null = null;
  dueAt = 0;

  constructor(files: CertificateSource & { readonly kind: 'files' }, around: SourceSurroundings) {
    this.#files = files;
    this.#around = around;
  }

  get bundle(): CheckedCertificate | null {
    return this.#current;
  }

  get status(): CertificateHealth {
    const current = this.#current;
    return {
      source: 'files',
      shown: current === null ? 'nothing' : 'real',
      hosts: current?.hosts ?? [],
      expiresAt: current?.notAfter ?? null,
      renewAt: null,
      warning: this.#warning(),
      note: null,
    };
  }

  /** Why no client would accept what there is to show; null when there is something. */
  get unusable(): string | null {
    if (this.#current === null) return this.#problem;
    return this.#current.notAfter <= this.#around.now() ? this.#warning() : null;
  }

  renewNow(): void {
    this.dueAt = 0;
  }

  async check(): Promise<void> {
    const { certificate: certificateFile, key: keyFile } = this.#files;
    const now = this.#around.now();
    this.dueAt = now + lookEveryMs;
    try {
      const certificate = await read(certificateFile);
      const key = await read(keyFile);
      if (this.#current?.certificate === certificate && this.#current.key === key) {
        this.#problem = null;
        return;
      }
      // One that has expired is better than none: at the start it is shown, and said to be expired.
      const expiredToo = this.#current === null;
      const origin = { source: 'files', certificateFile, keyFile } as const;
      this.#current = checkCertificate(certificate, key, origin, expiredToo ? null : now);
      this.#problem = null;
      this.#around.log('info', 'certificate-loaded', { file: certificateFile, hosts: this.#current.hosts });
    } catch (error) {
      if (!(error instanceof CertificateRefusedError)) throw error;
      if (this.#problem !== error.message) {
        this.#around.log('warn', 'certificate-refused', { file: error.file, reason: error.message });
      }
      this.#problem = error.message;
    }
  }

  #warning(): string | null {
    const current = this.#current;
    if (this.#problem !== null) {
      const instead =
        current === null
          ? 'Nothing can be shown to clients that ask for it.'
          : `The one before stays in use; it is valid until ${new Date(current.notAfter).toISOString()}.`;
      return `${this.#problem} ${instead}`;
    }
    if (current === null) return null;
    const leftMs = current.notAfter - this.#around.now();
    if (leftMs <= 0)
      return `The certificate in ${this.#files.certificate} expired on ${new Date(current.notAfter).toISOString()}.`;
    if (leftMs < (current.notAfter - current.notBefore) / 6) {
      return `The certificate in ${this.#files.certificate} expires on ${new Date(current.notAfter).toISOString()}.`;
    }
    return null;
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CertificateRefusedError(
      file,
      `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    );
  }
}
