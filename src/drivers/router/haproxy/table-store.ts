import { createHash } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import type { Fenced } from '../../../core/fencing.ts';
import { parseRouteInForce } from '../../../core/gateway-control.ts';
import type { RouteInForce, WriteStamp } from '../../../core/route-table.ts';
import { isMissing, replaceFileDurably } from './haproxy-files.ts';

/** What is in force, as it is kept on disk. */
export interface Table extends Fenced {
  /** Loopback ports of the built-in gateway that carries streams, by service. */
  readonly relayPorts: Readonly<Record<string, number>>;
}

export const emptyTable: Table = { routes: new Map(), removed: new Map(), relayPorts: {} };

export async function saveTable(file: string, { routes, removed, relayPorts }: Table): Promise<void> {
  const body = JSON.stringify({ routes: [...routes.values()], removed: [...removed], relayPorts });
  await replaceFileDurably(file, `${JSON.stringify({ format: 1, sha256: sha256(body) })}\n${body}\n`);
}

/** The table on disk. One that cannot be understood is renamed, never deleted. */
export async function loadTable(file: string): Promise<{ readonly table: Table; readonly warning: string | null }> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return { table: emptyTable, warning: null };
    throw error;
  }
  try {
    return { table: decode(text), warning: null };
  } catch (error) {
    const aside = `${file}.corrupt-${new Date().toISOString().replaceAll(':', '')}`;
    await rename(file, aside);
    const why = error instanceof Error ? error.message : String(error);
    return {
      table: emptyTable,
      warning: `The table ${file} is damaged (${why}) and was set aside as ${aside}; HAProxy has none until the control plane writes it again.`,
    };
  }
}

function decode(text: string): Table {
  const [head = '', body = ''] = text.split('\n');
  const { format, sha256: sum } = JSON.parse(head) as { readonly format?: unknown; readonly sha256?: unknown };
  if (format !== 1) throw new Error('unknown format');
  if (sum !== sha256(body)) throw new Error('wrong checksum');
  const stored = JSON.parse(body) as {
    readonly routes: readonly unknown[];
    readonly removed: readonly (readonly [string, WriteStamp])[];
    readonly relayPorts: Readonly<Record<string, number>>;
  };
  const routes = new Map<string, RouteInForce>();
  for (const route of stored.routes) {
    const parsed = parseRouteInForce(route);
    if (!parsed.ok) throw new Error(parsed.message);
    routes.set(parsed.value.entry.service, parsed.value);
  }
  return { routes, removed: new Map(stored.removed), relayPorts: stored.relayPorts };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
