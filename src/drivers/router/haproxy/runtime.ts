import { addressOf } from '../../../core/emit/haproxy/text.ts';
import {
  backendName,
  backendVariants,
  copiedBackend,
  copyingServer,
  serverOptions,
  serversOf,
  type Server,
} from '../../../core/emit/haproxy/servers.ts';
import { armsLine } from '../../../core/emit/haproxy/arms.ts';
import type { RouteInForce, WriteStamp } from '../../../core/route-table.ts';
import { HaproxyRefusedError } from '../../../errors.ts';
import { ask, rowsOf } from './command-socket.ts';
import type { StateFiles } from './haproxy-files.ts';

/** What was found to be otherwise than it must be, in words. */
export type Differences = readonly string[];

export type Arms = { readonly kind: 'ok' } | { readonly kind: 'stale'; readonly inForce: WriteStamp };

interface Observed {
  readonly host: string;
  readonly port: number;
  readonly adminDown: boolean;
  readonly weight: number;
}

/**
 * Brings the running HAProxy to what a route says, without a reload: new servers first, then the arms, then what is to
 * go. Every new request follows it when this resolves.
 *
 * @returns the stamp in force when HAProxy itself has a newer one; nothing was changed then but servers
 */
export async function applyRoute(
  files: StateFiles,
  route: RouteInForce,
  signal: AbortSignal,
): Promise<{ readonly arms: Arms; readonly differences: Differences }> {
  const observed = await observeServers(files, signal);
  const wanted = serversOf(route.entry);
  const differences: string[] = [];
  for (const server of wanted.filter(({ enabled }) => enabled)) {
    differences.push(...(await bring(files, server, observed.get(keyOf(server)), signal)));
  }
  const arms = await applyArms(files, route, signal);
  if (arms.kind === 'stale') return { arms, differences };
  for (const server of wanted.filter(({ enabled }) => !enabled)) {
    differences.push(...(await bring(files, server, observed.get(keyOf(server)), signal)));
  }
  const known = new Set([...wanted.map(keyOf), fixed(route.entry.service)]);
  const backends = backendsOf(route.entry.service);
  for (const [key, server] of observed) {
    if (!backends.has(key.split('/', 1)[0] ?? '') || known.has(key) || server.adminDown) continue;
    differences.push(`server ${key} should not be there`);
    await tell(files, `set server ${key} state maint`, signal);
  }
  return { arms, differences };
}

const keyOf = ({ backend, name }: Pick<Server, 'backend' | 'name'>): string => `${backend}/${name}`;

const backendsOf = (service: string): ReadonlySet<string> =>
  new Set([
    ...(['blue', 'green'] as const).flatMap((slot) =>
      backendVariants.map((variant) => backendName(service, slot, variant)),
    ),
    copiedBackend(service),
  ]);

/** Servers that belong to the structure. */
const fixed = (service: string): string => `${copiedBackend(service)}/${copyingServer}`;

async function bring(
  files: StateFiles,
  server: Server,
  present: Observed | undefined,
  signal: AbortSignal,
): Promise<Differences> {
  const key = keyOf(server);
  const found: string[] = [];
  if (present === undefined) {
    found.push(`server ${key} was missing`);
    const answer = await ask(
      files.admin,
      `add server ${key} ${addressOf(server.host, server.port)} ${serverOptions}${server.backup ? ' backup' : ''}`,
      signal,
    );
    if (!answer.includes('New server registered')) throw refused(`add server ${key}`, answer);
    await tell(files, `enable health ${key}`, signal);
    if (server.enabled) await tell(files, `set server ${key} state ready`, signal);
    return found;
  }
  if (present.host !== server.host || present.port !== server.port) {
    found.push(`server ${key} had the address ${present.host}:${present.port}`);
    const answer = await ask(files.admin, `set server ${key} addr ${server.host} port ${server.port}`, signal);
    if (!/changed|no need/.test(answer)) throw refused(`set server ${key} addr`, answer);
    await tell(files, `set server ${key} health up`, signal);
  }
  if (present.weight !== 1) {
    found.push(`server ${key} had the weight ${present.weight}`);
    await tell(files, `set server ${key} weight 1`, signal);
  }
  if (present.adminDown === server.enabled) {
    found.push(`server ${key} was ${present.adminDown ? 'out of' : 'in'} service`);
    if (server.enabled) await tell(files, `set server ${key} health up`, signal);
    await tell(files, `set server ${key} state ${server.enabled ? 'ready' : 'maint'}`, signal);
  }
  return found;
}

/** A command that answers with nothing when it was obeyed. */
async function tell(files: StateFiles, command: string, signal: AbortSignal): Promise<void> {
  const answer = (await ask(files.admin, command, signal)).trim();
  if (answer !== '') throw refused(command, answer);
}

const refused = (command: string, answer: string): HaproxyRefusedError =>
  new HaproxyRefusedError('runtime', `HAProxy refused "${command}": ${answer.trim()}`);

async function applyArms(files: StateFiles, route: RouteInForce, signal: AbortSignal): Promise<Arms> {
  const answer = (await ask(files.admin, `veza arms ${armsLine(route)}`, signal)).trim();
  if (answer === 'ok') return { kind: 'ok' };
  const stale = /^stale (\d+) (\d+)$/.exec(answer);
  if (stale !== null) return { kind: 'stale', inForce: { epoch: Number(stale[1]), version: Number(stale[2]) } };
  throw refused('veza arms', answer);
}

async function observeServers(files: StateFiles, signal: AbortSignal): Promise<ReadonlyMap<string, Observed>> {
  const rows = rowsOf(await ask(files.admin, 'show servers state', signal), / /);
  return new Map(
    rows.map((row) => [
      `${row['be_name']}/${row['srv_name']}`,
      {
        host: row['srv_addr'] ?? '',
        port: Number(row['srv_port']),
        adminDown: Number(row['srv_admin_state']) !== 0,
        weight: Number(row['srv_uweight']),
      },
    ]),
  );
}

/** Tells HAProxy that somebody reads its lines and erases them, so that they may say which path was asked for. */
export async function sayReading(files: StateFiles, signal: AbortSignal): Promise<void> {
  await ask(files.admin, 'veza reading', signal);
}

/** Where the running HAProxy differs from a route; nothing is changed. */
export async function compareRoutes(
  files: StateFiles,
  routes: readonly RouteInForce[],
  signal: AbortSignal,
): Promise<Differences> {
  const [observed, arms] = await Promise.all([observeServers(files, signal), ask(files.admin, 'veza show', signal)]);
  const lines = new Set(arms.trim().split('\n'));
  return routes.flatMap((route) => {
    const found: string[] = [];
    if (!lines.has(armsLine(route))) found.push(`the arms of ${route.entry.service} were others`);
    const wanted = serversOf(route.entry);
    for (const server of wanted) {
      const key = keyOf(server);
      const present = observed.get(key);
      if (present === undefined) found.push(`server ${key} was missing`);
      else if (present.host !== server.host || present.port !== server.port)
        found.push(`server ${key} had another address`);
      else if (present.weight !== 1) found.push(`server ${key} had the weight ${present.weight}`);
      else if (present.adminDown === server.enabled)
        found.push(`server ${key} was ${present.adminDown ? 'out of' : 'in'} service`);
    }
    const known = new Set([...wanted.map(keyOf), fixed(route.entry.service)]);
    const backends = backendsOf(route.entry.service);
    for (const [key, server] of observed) {
      if (backends.has(key.split('/', 1)[0] ?? '') && !known.has(key) && !server.adminDown)
        found.push(`server ${key} should not be there`);
    }
    return found;
  });
}

/** Deletes servers that left the table and have no connection any more. */
export async function deleteIdleServers(
  files: StateFiles,
  routes: readonly RouteInForce[],
  signal: AbortSignal,
): Promise<void> {
  const observed = await observeServers(files, signal);
  for (const { entry } of routes) {
    const backends = backendsOf(entry.service);
    const known = new Set([...serversOf(entry).map(keyOf), fixed(entry.service)]);
    for (const [key, server] of observed) {
      if (!backends.has(key.split('/', 1)[0] ?? '') || known.has(key) || !server.adminDown) continue;
      // Refused while there are connections; then it is tried again later.
      await ask(files.admin, `del server ${key}`, signal);
    }
  }
}
