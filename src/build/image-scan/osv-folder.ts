import { opendir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../../core/policy/image/inspection.ts';
import { Advisory, matchAdvisory, type VulnerabilityAnswer } from '../../core/policy/image/vulnerabilities.ts';
import { parseJson } from './documents.ts';

const MOST_ADVISORY = 16 * 1024 * 1024;

/** Every `.json` below a folder is an advisory (https://ossf.github.io/osv-schema/), in whatever order they lie there. */
export async function searchOsvFolder(
  folder: string,
  components: readonly Component[],
  signal: AbortSignal,
): Promise<VulnerabilityAnswer> {
  const byName = Map.groupBy(components, ({ name }) => name.toLowerCase().replace(/[-_.]+/g, '-'));
  const known: Extract<VulnerabilityAnswer, { kind: 'checked' }>['known'][number][] = [];
  let [advisories, unreadable] = [0, 0];
  try {
    for await (const file of jsonFiles(folder, signal)) {
      const parsed = Advisory.safeParse(parseJson(await read(file)));
      if (!parsed.success) {
        unreadable += 1;
        continue;
      }
      advisories += 1;
      const names = new Set(
        (parsed.data.affected ?? []).map((one) => one.package?.name.toLowerCase().replace(/[-_.]+/g, '-')),
      );
      for (const name of names) {
        for (const component of byName.get(name ?? '') ?? []) {
          const match = matchAdvisory(parsed.data, component);
          if (match !== null) known.push(match);
        }
      }
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof Error && 'code' in error)) throw error;
    return { kind: 'not-checked', why: `the folder ${folder} cannot be read (${String(error.code)})` };
  }
  if (advisories === 0) return { kind: 'not-checked', why: `the folder ${folder} holds no advisory` };
  const incomplete = unreadable === 0 ? null : `${unreadable} files of ${folder} are no advisories`;
  return { kind: 'checked', source: `${advisories} advisories in ${folder}`, known, incomplete };
}

async function* jsonFiles(folder: string, signal: AbortSignal): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) {
    signal.throwIfAborted();
    if (entry.isDirectory()) yield* jsonFiles(join(folder, entry.name), signal);
    else if (entry.isFile() && entry.name.endsWith('.json')) yield join(folder, entry.name);
  }
}

/** Empty, which is no advisory, when it is too long for one. */
async function read(file: string): Promise<string> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  return size > MOST_ADVISORY ? '' : await handle.readFile('utf8');
}
