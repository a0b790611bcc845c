import { join } from 'node:path';
// The global of this name is a getter that looks for it every time.
import { performance } from 'node:perf_hooks';
import type { WorkerLoad } from '../../core/gateway-control.ts';
import type { DataPlane } from '../data-plane.ts';
import { AccessLog } from '../edge/access-log.ts';
import type { DayKeyState } from '../edge/day-key.ts';
import { RateLimiter, type RateUse } from '../edge/rate-limiter.ts';
import { Gateway } from '../gateway.ts';
import { parseLimits } from '../limits.ts';
import type { Log } from '../log.ts';
import { gatewayFiles } from '../state-folder.ts';
import { StickyCookie } from '../sticky-cookie.ts';
import type { Assignment } from '../supervisor/messages.ts';
import { PemCertificateBook } from '../tls/certificate-book.ts';
import type { CertificateBundle } from '../tls/certificate-bundle.ts';

/** The data plane of one worker, with what it shares with the others. */
export interface WorkerPlane {
  readonly data: DataPlane;
  load(): WorkerLoad;
  replaceCertificates(certificates: readonly CertificateBundle[]): void;
  /** What rate limits let through since the last time; null when nothing. */
  takeUse(): RateUse | null;
  absorbUse(use: RateUse): void;
  /** Writes out what is still to be written. */
  close(): Promise<void>;
}

export interface PlaneOptions {
  readonly assignment: Assignment;
  /** Base64. */
  readonly cookieKey: string;
  /** Base64. */
  readonly ticketKeys: string;
  readonly dayKey: DayKeyState;
  readonly stateDir: string;
  readonly log: Log;
}

const monotonic = (): number => performance.now();

export function createDataPlane(options: PlaneOptions): WorkerPlane {
  const { assignment, cookieKey, ticketKeys, dayKey, stateDir, log } = options;
  const { https, accessLog } = assignment.settings;
  const minVersion = https?.minVersion ?? 'TLSv1.2';
  const book =
    https === null
      ? null
      : new PemCertificateBook({ minVersion, ticketKeys: Buffer.from(ticketKeys, 'base64'), now: Date.now });
  const rateLimiter = new RateLimiter({});
  const access =
    accessLog === null
      ? null
      : new AccessLog({
          file: join(gatewayFiles(stateDir).folder, 'access.log'),
          addresses: accessLog.addresses,
          dayKey,
          onTrouble: (reason) =>
            log(reason === null ? 'info' : 'error', 'access-log', { message: reason ?? 'lines are written again' }),
        });
  const data = new Gateway({
    limits: parseLimits(assignment.limits),
    cookie: new StickyCookie(Buffer.from(cookieKey, 'base64')),
    log,
    certificates: book,
    minTlsVersion: minVersion,
    accessLog: access,
    rateLimiter,
    wall: Date.now,
    now: monotonic,
    random: Math.random,
  });
  return {
    data,
    load: () => ({ ...data.load(), queues: data.queues(), memoryBytes: process.memoryUsage.rss() }),
    replaceCertificates: (certificates) => book?.replace(certificates),
    takeUse() {
      const use = rateLimiter.takeUse();
      return use.clients.length === 0 ? null : use;
    },
    absorbUse: (use) => rateLimiter.absorb(use, monotonic()),
    close: async () => access?.close(),
  };
}
