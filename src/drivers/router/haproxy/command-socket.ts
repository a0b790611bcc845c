import net from 'node:net';

/** Milliseconds that HAProxy has to answer a command. */
const answerMs = 5_000;

/**
 * Sends one command to a socket of HAProxy (management.txt, 9.3) and reads the whole answer.
 *
 * @throws Error with the system's words when nobody listens or the answer does not end; the signal's reason
 */
export function ask(socket: string, command: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const connection = net.connect({ path: socket, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    const aborted = (): void => {
      connection.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal.addEventListener('abort', aborted, { once: true });
    connection.setTimeout(answerMs, () => connection.destroy(new Error(`no answer to "${command}"`)));
    connection.on('data', (chunk: Buffer) => chunks.push(chunk));
    connection.once('error', (error) => {
      signal.removeEventListener('abort', aborted);
      reject(error);
    });
    connection.once('end', () => connection.destroy());
    connection.once('close', () => {
      signal.removeEventListener('abort', aborted);
      resolve(Buffer.concat(chunks).toString());
    });
    connection.end(`${command}\n`);
  });
}

/** Rows of an answer in columns: its first line that begins with `#` names them. */
export function rowsOf(answer: string, separator: RegExp): readonly Readonly<Record<string, string>>[] {
  const lines = answer.split('\n').filter((line) => line.trim() !== '');
  const head = lines.find((line) => line.startsWith('# '));
  if (head === undefined) return [];
  const names = head.slice(2).trim().split(separator);
  return lines
    .slice(lines.indexOf(head) + 1)
    .map((line) => line.split(separator))
    .map((cells) => Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ''])));
}
