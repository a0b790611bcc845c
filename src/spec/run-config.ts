import { spawn } from 'node:child_process';
import { extname, dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import type { JsonValue } from '../core/release/canonical-json.ts';
import { ConfigExportError, ConfigFailedError, ConfigSyntaxError, ConfigUnreadableError } from '../errors.ts';
import type { ForeignValue, RunMessage } from './run-message.ts';

/** A declaration takes milliseconds; one that takes this long waits for something. */
const TIME_LIMIT_MS = 30_000;
/** Of what a configuration prints, enough to recognise why it failed. */
const PRINTED_LIMIT = 4_000;

export interface RunConfig {
  readonly value: JsonValue;
  readonly foreign: readonly ForeignValue[];
  /** The source without its types; every character has the place that it has in the file. */
  readonly javascript: string;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Default 30 s. */
  readonly timeLimitMs?: number;
}

/**
 * Runs a configuration file in a short-lived child process and returns what it exports by default, as data.
 *
 * @param file absolute path
 * @throws ConfigSyntaxError, ConfigFailedError, ConfigExportError, ConfigUnreadableError; the signal's reason when aborted
 */
export async function runConfig(file: string, { signal, timeLimitMs = TIME_LIMIT_MS }: RunOptions): Promise<RunConfig> {
  signal.throwIfAborted();
  const program = fileURLToPath(new URL(`./config-program${extname(import.meta.url)}`, import.meta.url));
  const { NODE_OPTIONS: _inspectorsAndLoadersAreOurs, ...env } = process.env;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, file], {
    cwd: dirname(file),
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const end = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, endSignal) => resolve({ code, signal: endSignal }));
  });
  let stoppedBy: 'deadline' | 'caller' | null = null;
  const stop = (reason: 'deadline' | 'caller'): void => {
    stoppedBy ??= reason;
    child.kill('SIGKILL');
    // A grandchild may hold the pipes open for as long as it lives.
    for (const stream of child.stdio) stream?.destroy();
  };
  const abort = (): void => stop('caller');
  const timer = setTimeout(() => stop('deadline'), timeLimitMs);
  signal.addEventListener('abort', abort);
  try {
    const [result, printed, ended] = await Promise.all([
      textOf(child.stdio[3] as Readable, Number.POSITIVE_INFINITY),
      Promise.all([textOf(child.stderr, PRINTED_LIMIT), textOf(child.stdout, PRINTED_LIMIT)]),
      end,
    ]);
    signal.throwIfAborted();
    if (stoppedBy === 'deadline') {
      throw new ConfigFailedError(file, NOWHERE, `it did not end within ${timeLimitMs / 1_000} s and was stopped`);
    }
    if (result === '') throw new ConfigFailedError(file, NOWHERE, endedWithoutResult(ended, printed.join('\n')));
    return settle(file, JSON.parse(result) as RunMessage);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

const NOWHERE = { line: null, column: null };

function settle(file: string, message: RunMessage): RunConfig {
  switch (message.kind) {
    case 'value':
      return message;
    case 'no-default': {
      const named = message.exports.map((name) => `\`${name}\``).join(', ');
      throw new ConfigExportError(file, named === '' ? 'nothing' : `only ${named}`);
    }
    case 'unreadable':
      throw new ConfigUnreadableError(file, message.reason, 'Check the path and who may read it.');
    case 'syntax':
      throw new ConfigSyntaxError(whereOf(file, message.file), message, message.reason);
    case 'unsupported':
      throw new ConfigSyntaxError(
        whereOf(file, message.file),
        message,
        message.reason,
        'Use TypeScript whose types can be taken out: no enum, no namespace, no parameter properties.',
      );
    case 'import':
      throw new ConfigFailedError(
        file,
        message,
        message.reason,
        'Check the import; a package must be installed in the folder of the configuration or above it.',
      );
    case 'threw':
      throw new ConfigFailedError(whereOf(file, message.file), message, message.reason);
  }
}

/** A mistake may be in a file that the configuration imports. */
function whereOf(config: string, file: string | null): string {
  if (file === null || file === config) return config;
  return `${file} (imported by ${relative(dirname(file), config)})`;
}

function endedWithoutResult(
  { code, signal }: { readonly code: number | null; readonly signal: NodeJS.Signals | null },
  printed: string,
): string {
  // https://nodejs.org/api/process.html#exit-codes
  if (code === 13) return 'it waits for a promise that never settles';
  const how = signal === null ? `with status ${code ?? 'unknown'}` : `by ${signal}`;
  const last = printed.trim().split('\n').at(-1) ?? '';
  return `it ended the process ${how} before it exported anything${last === '' ? '' : `; it printed last: ${last.slice(0, 200)}`}`;
}

/** Everything a stream says, or its first `limit` characters; a stream that was destroyed has said all. */
async function textOf(stream: Readable | null, limit: number): Promise<string> {
  let text = '';
  if (stream === null) return text;
  stream.setEncoding('utf8');
  try {
    for await (const chunk of stream) if (text.length < limit) text += String(chunk);
  } catch {
    // Destroyed by `stop`: the reason is known there.
  }
  return text.slice(0, limit);
}
