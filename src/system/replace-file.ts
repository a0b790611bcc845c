import { open, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Writes a file that only its owner may read, so that readers see the old or the new one, never a part.
 *
 * @param temporary in the same folder; one of its own for each writer where there are several
 */
export async function replaceFile(file: string, text: string, temporary = `${file}.tmp`): Promise<void> {
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}

/** The same, and it outlives a power cut: file and folder are synchronised before this resolves. */
export async function replaceFileDurably(file: string, text: string, temporary = `${file}.tmp`): Promise<void> {
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const folder = await open(path.dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
