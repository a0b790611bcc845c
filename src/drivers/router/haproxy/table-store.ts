import { readFile, rename } from 'node:fs/promises';
import { fencedOf, storedFences, type Fenced, type StoredFences } from '../../../core/fencing.ts';
import { seal, unseal } from '../../../system/sealed-text.ts';
import { isMissing, replaceFileDurably } from './haproxy-files.ts';

/** What is in force, as it is kept on disk. */
export interface Table extends Fenced {
  /** Loopback ports of the built-in gateway that carries streams, by service. */
  readonly relayPorts: Readonly<Record<string, number>>;
}

export const emptyTable: Table = { routes: new Map(), removed: new Map(), relayPorts: {} };

export async function saveTable(file: string, table: Table): Promise<void> {
  await replaceFileDurably(file, seal(JSON.stringify({ ...storedFences(table), relayPorts: table.relayPorts })));
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
  const stored = JSON.parse(unseal(text)) as StoredFences & Pick<Table, 'relayPorts'>;
  return { ...fencedOf(stored), relayPorts: stored.relayPorts };
}
