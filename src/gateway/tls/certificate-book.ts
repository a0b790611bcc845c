import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { CertificateBook } from '../data-plane.ts';
import type { CertificateBundle } from './certificate-bundle.ts';

/**
 * TLS 1.3, and of 1.2 only what has forward secrecy and authenticated encryption (Mozilla's "intermediate", version 5.7).
 * The client chooses among them: it knows whether it has AES in hardware.
 */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export interface BookOptions {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** 48 secret bytes, the same in each worker: a session that began at one is resumed at another. Null: not resumed across. */
  readonly ticketKeys: Buffer | null;
  /** UTC milliseconds. */
  readonly now: () => number;
}

interface Entry {
  readonly bundle: CertificateBundle;
  readonly context: SecureContext;
}

/**
 * Certificates by name: the exact host, then the `*.` pattern of one label, then the first certificate, which is also for
 * clients that name nothing. Among several for one name those that have not expired go first, and real ones before placeholders.
 */
export class PemCertificateBook implements CertificateBook {
  readonly #options: BookOptions;
  #entries: readonly Entry[] = [];
  #byHost: ReadonlyMap<string, readonly Entry[]> = new Map();

  constructor(options: BookOptions) {
    this.#options = options;
  }

  /**
   * New handshakes get the new certificates from here on; connections stay. Contexts of certificates that were there before
   * are kept.
   *
   * @throws Error of OpenSSL when a bundle is no certificate with its key; nothing is replaced then
   */
  replace(bundles: readonly CertificateBundle[]): void {
    const before = new Map(this.#entries.map((entry) => [identity(entry.bundle), entry.context]));
    const entries = bundles.map((bundle) => ({
      bundle,
      context: before.get(identity(bundle)) ?? this.#contextOf(bundle),
    }));
    const byHost = new Map<string, Entry[]>();
    for (const entry of entries) {
      for (const host of entry.bundle.hosts) {
        const name = host.toLowerCase();
        const others = byHost.get(name);
        if (others === undefined) byHost.set(name, [entry]);
        else others.push(entry);
      }
    }
    this.#entries = entries;
    this.#byHost = byHost;
  }

  contextFor(serverName: string | null): SecureContext | null {
    return this.#best(this.#naming(serverName ?? '') ?? this.#entries)?.context ?? null;
  }

  names(host: string): boolean {
    return this.#naming(host) !== undefined;
  }

  #naming(host: string): readonly Entry[] | undefined {
    const name = host.toLowerCase().replace(/\.$/, '');
    const dot = name.indexOf('.');
    return this.#byHost.get(name) ?? (dot > 0 ? this.#byHost.get(`*${name.slice(dot)}`) : undefined);
  }

  #best(entries: readonly Entry[]): Entry | null {
    const now = this.#options.now();
    let best: Entry | null = null;
    let bestRank = Infinity;
    for (const entry of entries) {
      const expired = entry.bundle.notAfter <= now;
      const rank = (expired ? 2 : 0) + (entry.bundle.source === 'placeholder' ? 1 : 0);
      if (rank < bestRank) {
        best = entry;
        bestRank = rank;
      }
    }
    return best;
  }

  #contextOf(bundle: CertificateBundle): SecureContext {
    const { minVersion, ticketKeys } = this.#options;
    return createSecureContext({
      cert: bundle.certificate,
      key: bundle.key,
      minVersion,
      ciphers,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
      // Resuming is not bound to one server object: all of one gateway are the same server.
      sessionIdContext: 'veza-gateway',
      sessionTimeout: 43_200,
      ...(ticketKeys === null ? {} : { ticketKeys }),
    });
  }
}

function identity(bundle: CertificateBundle): string {
  return `${bundle.certificate}\n${bundle.key}`;
}
