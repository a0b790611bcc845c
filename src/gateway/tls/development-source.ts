import { randomBytes, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { CertificateHealth } from '../../core/gateway-control.ts';
import { CertificateRefusedError } from '../../errors.ts';
import { checkCertificate, type CheckedCertificate } from './certificate-check.ts';
import type { SourceInCharge, SourceSurroundings } from './certificate-source.ts';
import { readIfThere, writePrivateFile } from './private-file.ts';
import { makeAuthority, makeLeaf, type PemPair } from './x509.ts';

const dayMs = 86_400_000;
const authorityMs = 3_650 * dayMs;
const leafMs = 30 * dayMs;

/** Certificates for machines of developers, signed by an authority that is made once and never leaves the state folder. */
export class DevelopmentSource implements SourceInCharge {
  readonly #hosts: readonly string[];
  readonly #around: SourceSurroundings;
  #current: CheckedCertificate | null = null;
  #problem: string | null = null;
  #forced = false;
  dueAt = 0;

  constructor(hosts: readonly string[], around: SourceSurroundings) {
    this.#hosts = [...new Set(hosts.map((host) => host.toLowerCase()))];
    this.#around = around;
  }

  get bundle(): CheckedCertificate | null {
    return this.#current;
  }

  get status(): CertificateHealth {
    const current = this.#current;
    return {
      source: 'development',
      shown: current === null ? 'nothing' : 'real',
      hosts: this.#hosts,
      expiresAt: current?.notAfter ?? null,
      renewAt: current === null ? null : renewalOf(current),
      warning: this.#problem,
      note: `Trust ${this.#file('development-ca.pem')} once, and browsers accept ${this.#hosts.join(', ')}.`,
    };
  }

  renewNow(): void {
    this.#forced = true;
    this.dueAt = 0;
  }

  async check(): Promise<void> {
    const now = this.#around.now();
    try {
      const authority = await this.#authority(now);
      const kept = this.#forced ? null : (this.#current ?? (await this.#kept(authority)));
      if (kept !== null && now < renewalOf(kept)) {
        this.#current = kept;
      } else {
        const made = await makeLeaf(this.#hosts, authority, { from: now, ms: leafMs }, randomBytes(16));
        await writePrivateFile(this.#file('development.json'), JSON.stringify(made));
        this.#current = this.#checked(made);
        this.#forced = false;
        this.#around.log('info', 'certificate-made', {
          hosts: this.#hosts,
          authority: this.#file('development-ca.pem'),
        });
      }
      this.#problem = null;
      this.dueAt = renewalOf(this.#current);
    } catch (error) {
      this.#problem = `No certificate could be made for ${this.#hosts.join(', ')}: ${(error as Error).message}`;
      this.#around.log('error', 'certificate-not-made', { reason: (error as Error).message });
      this.dueAt = now + 60_000;
    }
  }

  /** One that people have told their machines to trust is never replaced because it cannot be read. */
  async #authority(now: number): Promise<PemPair> {
    const certificateFile = this.#file('development-ca.pem');
    const certificate = await readIfThere(certificateFile);
    const key = await readIfThere(this.#file('development-ca.key'));
    if (certificate !== null && key !== null) {
      let kept: X509Certificate;
      try {
        kept = new X509Certificate(certificate);
      } catch {
        throw new CertificateRefusedError(
          certificateFile,
          'it is damaged; restore it, or remove it and trust the next one',
        );
      }
      if (Date.parse(kept.validTo) > now + leafMs) return { certificate, key };
    }
    const made = await makeAuthority('Veza development authority', { from: now, ms: authorityMs }, randomBytes(16));
    // The key first: a certificate without its key would be believed to be one.
    await writePrivateFile(this.#file('development-ca.key'), made.key);
    await writePrivateFile(certificateFile, made.certificate);
    return made;
  }

  async #kept(authority: PemPair): Promise<CheckedCertificate | null> {
    const text = await readIfThere(this.#file('development.json'));
    if (text === null) return null;
    try {
      const kept = this.#checked(JSON.parse(text) as PemPair);
      const issuer = new X509Certificate(authority.certificate);
      const same = [...kept.hosts].toSorted().join() === [...this.#hosts].toSorted().join();
      return same && kept.leaf.verify(issuer.publicKey) ? kept : null;
    } catch {
      // Damaged or of another time: a new one costs a millisecond.
      return null;
    }
  }

  #checked({ certificate, key }: PemPair): CheckedCertificate {
    const file = this.#file('development.json');
    return checkCertificate(certificate, key, { source: 'development', certificateFile: file, keyFile: file }, null);
  }

  #file(name: string): string {
    return join(this.#around.folder, name);
  }
}

function renewalOf({ notBefore, notAfter }: CheckedCertificate): number {
  return notBefore + ((notAfter - notBefore) * 2) / 3;
}
