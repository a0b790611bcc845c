import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes what was renamed, linked or removed in a folder outlive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder and those above it, and makes them last. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(first);
  for (let made = dirname(folder); ; made = dirname(made)) {
    await syncFolder(made);
    if (made === top || made === dirname(made)) return;
  }
}
