import type { CertificateBundle } from './certificate-bundle.ts';

/** One entry of the declared certificates, being looked after. */
export interface SourceInCharge {
  /** What can be shown to clients at the moment; null when there is nothing at all. */
  readonly bundle: CertificateBundle | null;
  readonly status: CertificateStatus;
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

export interface CertificateStatus {
  readonly source: 'files' | 'development' | 'acme';
  /** What is shown to clients: the real one, one that we signed until there is a real one, or nothing. */
  readonly shown: 'real' | 'placeholder' | 'nothing';
  readonly hosts: readonly string[];
  /** UTC milliseconds of the certificate that is shown; null when there is none. */
  readonly notAfter: number | null;
  /** UTC milliseconds at which it is to be replaced; null when that is not ours to do. */
  readonly renewAt: number | null;
  /** For people: what is wrong, until when that does no harm, what happens next. Null when nothing is. */
  readonly warning: string | null;
  /** For people: what to do once, such as trusting the authority of development. */
  readonly note: string | null;
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
