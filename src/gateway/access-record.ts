import type { AccessRecord } from './edge/access-log.ts';
import type { Chosen } from './pick-arm.ts';
import { headerOf } from './request-head.ts';
import type { RoutedRequest } from './routed-request.ts';

/** How a request ended. */
export interface Ended {
  /** UTC milliseconds. */
  readonly at: number;
  readonly status: number;
  /** Null for an instance's answer. */
  readonly code: string | null;
  readonly latencyMs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What a request was, for the access log: everything that is known, personal data too; the log keeps less. */
export function recordOf(
  asked: Pick<RoutedRequest, 'request' | 'client' | 'path' | 'requestId'> & {
    readonly service: RoutedRequest['service'] | null;
  },
  chosen: Chosen | null,
  ended: Ended,
): AccessRecord {
  const { service, request, client, path, requestId } = asked;
  return {
    ...ended,
    service: service?.name ?? null,
    arm: chosen?.choice.arm ?? null,
    release: chosen?.entry.releases[chosen.choice.slot] ?? null,
    method: request.method,
    path,
    routePaths: service?.inForce?.entry.public?.paths ?? [],
    protocol: request.version === '2' ? 'HTTP/2' : request.version === '1.1' ? 'HTTP/1.1' : 'HTTP/1.0',
    tls: client.secure ? (client.tlsVersion ?? 'TLS') : null,
    requestId,
    clientAddress: client.remoteAddress,
    userAgent: headerOf(request, 'user-agent'),
  };
}
