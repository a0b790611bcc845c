import { open } from 'node:fs/promises';

const TAIL_BYTES = 8192;

/** The last line that holds more than blanks of a file; null when there is none. */
export async function lastLine(file: string): Promise<string | null> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return null;
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(Math.min(size, TAIL_BYTES)),
      0,
      Math.min(size, TAIL_BYTES),
      from,
    );
    // A part of the file that was collected already reads as zeros.
    const lines = buffer.toString('utf8', 0, bytesRead).replaceAll('\0', '').split('\n');
    return mostTelling(lines.filter((line) => line.trim() !== ''));
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}

/** Node ends an uncaught error with "Node.js v24.1.0" after the stack: the line that names the error says more. */
function mostTelling(lines: readonly string[]): string | null {
  const last = lines.at(-1) ?? null;
  if (last === null || !/^Node\.js v\d+\.\d+\.\d+/.test(last)) return last;
  const named = lines.findLast((line) => /^\S*(Error|Exception)\b.*/.test(line.replace(/^Uncaught\s+/, '')));
  return named ?? last;
}
