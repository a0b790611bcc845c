import type { RouteTableEntry } from '../../route-table.ts';
import { returnProblem } from './problems.ts';
import { converterArgument, quoted, quotedFormat } from './text.ts';

/** What happens to a public request of a service before an instance is asked: hidden paths, maintenance, rate limits. */
export function edgeRequestRules({ service, edge }: RouteTableEntry, answers: string): string[] {
  const ofService = `{ var(txn.service) -m str ${service} }`;
  const below = (path: string): string => `{ path,lua.veza_below(${converterArgument(path)}) -m str 1 }`;
  const hidden = edge.hidden.map(
    (path) => `  http-request ${returnProblem('no-route')} if ${ofService} ${below(path)}`,
  );
  const maintenance =
    edge.maintenance === null
      ? []
      : [
          `  http-request return status 503 content-type "text/html; charset=utf-8" file ${quoted(`${answers}/${maintenanceFile(service)}`)} hdr x-veza-error maintenance hdr cache-control no-store hdr retry-after "${edge.maintenance.retryAfterSeconds}" if ${ofService}`,
        ];
  const limits = edge.rateLimits.flatMap(({ path, requestsPerSecond, burst, per }, i) => [
    `  http-request lua.veza_limit ${service}.${i} ${requestsPerSecond} ${burst} ${per} if ${ofService} ${below(path)} !{ var(txn.wait) -m found }`,
  ]);
  const refusal =
    limits.length === 0
      ? []
      : [`  http-request ${returnProblem('rate-limited')} if ${ofService} { var(txn.wait) -m found }`];
  return [...hidden, ...maintenance, ...limits, ...refusal];
}

/** Headers that every answer of a service gets unless the instance has set them. */
export function edgeHeaderRules({ service, edge }: RouteTableEntry): string[] {
  return Object.entries(edge.headers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, value]) =>
        `  http-after-response set-header ${name} ${quotedFormat(value)} if { var(txn.service) -m str ${service} } !{ res.hdr(${name}) -m found }`,
    );
}

export const maintenanceFile = (service: string): string => `maintenance.${service}.html`;
