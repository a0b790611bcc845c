import { appendFileSync, renameSync, statSync } from 'node:fs';

const ROTATE_AT_BYTES = 5 * 1_048_576;

/**
 * A log with one line an entry: UTC time and text. Written at once, so that the last words of a process that dies are
 * there. A log that has grown large is set aside as `.1` when it is opened.
 * @param alsoTo - gets every line as well
 */
export function openLog(path: string, alsoTo: (line: string) => void): (line: string) => void {
  if (sizeOf(path) > ROTATE_AT_BYTES) renameSync(path, `${path}.1`);
  return (text) => {
    const line = `${new Date().toISOString()} ${text}\n`;
    alsoTo(line);
    try {
      appendFileSync(path, line, { mode: 0o600 });
    } catch (error) {
      // A full disk must not end a control plane that could go on; whoever holds its stderr still sees it.
      process.stderr.write(`cannot write ${path}: ${error instanceof Error ? error.message : String(error)}\n${line}`);
    }
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
