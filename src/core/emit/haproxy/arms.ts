import type { RouteInForce } from '../../route-table.ts';

/** What the Lua script needs to choose an arm, a line a service; the form is said in lua-script.ts. */
export function armsLine({ stamp, entry }: RouteInForce): string {
  const header = entry.public?.canaryHeader ?? null;
  return [
    entry.service,
    stamp.epoch,
    stamp.version,
    entry.stable,
    entry.candidateWeight,
    entry.endpoints.blue.length,
    entry.endpoints.green.length,
    entry.releases.blue ?? '-',
    entry.releases.green ?? '-',
    entry.public?.sticky === true ? 1 : 0,
    header?.name.toLowerCase() ?? '-',
    header === null ? '-' : base64(header.value) || '-',
    Math.max(0, entry.mirror?.share ?? 0),
  ].join(' ');
}

/** The file that a starting process of HAProxy reads, in a stable order. */
export const emitArms = (routes: readonly RouteInForce[]): string =>
  ['# service epoch version stable weight blue green release-blue release-green sticky header value(base64) mirrored']
    .concat(routes.map(armsLine).sort())
    .join('\n')
    .concat('\n');

const base64 = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));
