import net from 'node:net';
import { rm, writeFile } from 'node:fs/promises';
import { internalHostOf, type RouteTableEntry } from '../../../core/route-table.ts';
import { HaproxyRefusedError } from '../../../errors.ts';
import { writeCompanions, type Configuration } from './configuration.ts';
import type { StateFiles } from './haproxy-files.ts';
import { checkConfig } from './haproxy-process.ts';
import type { Table } from './table-store.ts';

/** Lets HAProxy's own check look at a configuration before it is put in force. */
export async function prepare(
  program: string,
  files: StateFiles,
  { text }: Configuration,
  table: Table,
  signal: AbortSignal,
): Promise<void> {
  await writeCompanions(files, table);
  const candidate = `${files.config}.next`;
  await writeFile(candidate, text, { mode: 0o600 });
  await checkConfig(program, candidate, signal);
  await rm(candidate, { force: true });
}

/** Internal ports that are new must be free: a reload that cannot open one would leave everything as it was. */
export async function checkPorts(before: Table, next: Table): Promise<void> {
  const open = new Set([...before.routes.values()].map(({ entry }) => internalAddress(entry)));
  for (const { entry } of next.routes.values()) {
    if (open.has(internalAddress(entry))) continue;
    const why = await new Promise<string | null>((resolve) => {
      const probe = net.createServer();
      probe.once('error', (error) => resolve(error.message));
      probe.listen(entry.internalPort, internalHostOf(entry), () => probe.close(() => resolve(null)));
    });
    if (why !== null) {
      throw new HaproxyRefusedError(
        'port-unavailable',
        `Cannot listen on internal port ${entry.internalPort} of ${entry.service}: ${why}`,
      );
    }
  }
}

const internalAddress = (entry: RouteTableEntry): string => `${internalHostOf(entry)}:${entry.internalPort}`;
