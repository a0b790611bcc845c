import type { CertificateHealth } from '../../core/gateway-control.ts';
import type { CertificateBundle } from './certificate-bundle.ts';

/** One entry of the declared certificates, being looked after. */
export interface SourceInCharge {
  /** What can be shown to clients at the moment; null when there is nothing at all. */
  readonly bundle: CertificateBundle | null;
  readonly status: CertificateHealth;
  /**
   * Does what is due: reads, makes, orders or renews.
   *
   * @throws never for what can go wrong outside; that is in `status`
   */
  check(signal: AbortSignal): Promise<void>;
  /** UTC milliseconds of the next check. */
  readonly dueAt: number;
  /** The next check replaces the certificate, however fresh it is. */
  renewNow(): void;
}

export interface SourceSurroundings {
  /** Where it may keep things, private to the user of the gateway. */
  readonly folder: string;
  /** UTC milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: (level: 'info' | 'warn' | 'error', event: string, fields?: Readonly<Record<string, unknown>>) => void;
}
