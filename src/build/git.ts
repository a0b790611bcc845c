import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { GitFailedError, GitMissingError } from '../errors.ts';

// Hooks and `git rebase --exec` set GIT_DIR, GIT_INDEX_FILE and others, which would point us at another index or even
// another repository; configuration (a container's `safe.directory`) is to be kept.
const gitEnvironment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_') || name.startsWith('GIT_CONFIG')),
  ),
  LC_ALL: 'C',
  GIT_TERMINAL_PROMPT: '0',
});

// No hook of the user's (fsmonitor), no replaced objects, no refreshed index: what is read is what is committed.
const always = [
  '--no-replace-objects',
  '--no-optional-locks',
  '-c',
  'core.fsmonitor=false',
  '-c',
  'log.showSignature=false',
];

/** Paths are file names or, with this, exactly the path that is written, from the top of the repository. */
export const literalPath = (path: string): string => (path === '' ? ':(top)' : `:(top,literal)${path}`);

export interface GitAnswer {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs git and gives back what it said, whatever its exit status.
 *
 * @throws GitMissingError when there is no git
 */
export const askGit = async (folder: string, args: readonly string[], signal: AbortSignal): Promise<GitAnswer> => {
  const child = startGit(folder, args, signal);
  child.stdin.end();
  const [stdout, stderr, status] = await Promise.all([collect(child.stdout), collect(child.stderr), exitOf(child)]);
  return { status, stdout, stderr: stderr.toString().trim() };
};

/**
 * Runs git and gives back its standard output.
 *
 * @throws GitFailedError with git's own words when its exit status is not 0
 */
export const git = async (folder: string, args: readonly string[], signal: AbortSignal): Promise<Buffer> => {
  const { status, stdout, stderr } = await askGit(folder, args, signal);
  if (status !== 0) throw new GitFailedError(folder, ['git', ...args], stderr);
  return stdout;
};

const collect = async (stream: Readable): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const startGit = (folder: string, args: readonly string[], signal: AbortSignal): ChildProcessWithoutNullStreams => {
  const child = spawn('git', [...always, '-C', folder, ...args], { env: gitEnvironment(), signal });
  // A git that ends early closes its input; its exit status and words say why.
  child.stdin.on('error', () => undefined);
  return child;
};

const exitOf = async (child: ChildProcessWithoutNullStreams): Promise<number> => {
  try {
    const [status] = (await once(child, 'close')) as [number | null];
    return status ?? 1;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw new GitMissingError();
    throw error;
  }
};

/** Takes the content of one blob; called in the order of the ids that were asked for. */
export type BlobSink = (id: string, content: AsyncIterable<Buffer>) => Promise<void>;

/**
 * Reads blobs exactly as they are committed: no line ending is converted, no filter of `.gitattributes` runs, no
 * `export-ignore` or `export-subst` applies (as `git archive` and a checkout would), so the configuration of the machine
 * plays no part. git-cat-file(1), `--batch`.
 */
export const readBlobs = async (
  folder: string,
  ids: readonly string[],
  sink: BlobSink,
  signal: AbortSignal,
): Promise<void> => {
  const child = startGit(folder, ['cat-file', '--batch'], signal);
  const words = collect(child.stderr);
  const exit = exitOf(child);
  // Whoever fails first is thrown below; the others must not be left unheard meanwhile.
  exit.catch(() => undefined);
  words.catch(() => undefined);
  child.stdin.end(ids.map((id) => `${id}\n`).join(''));
  try {
    const reader = new ByteReader(child.stdout);
    for (const id of ids) {
      const line = await reader.line();
      const size = / blob (\d+)$/.exec(line ?? '')?.[1];
      if (size === undefined) {
        await exit;
        throw new GitFailedError(
          folder,
          ['git', 'cat-file', '--batch'],
          (await words).toString().trim() || (line ?? `no blob ${id}`),
        );
      }
      await sink(id, reader.exactly(Number(size)));
      await reader.skip(1);
    }
  } finally {
    child.kill();
  }
  await exit;
};

class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: Readable) {
    this.#chunks = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The next line without its end, or null when there is none. */
  async line(): Promise<string | null> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        const line = this.#rest.toString('utf8', 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      const next = await this.#chunks.next();
      if (next.done === true) return null;
      this.#rest = Buffer.concat([this.#rest, next.value]);
    }
  }

  /** The next `count` bytes; must be read to the end before anything else is read. */
  async *exactly(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0) {
      if (this.#rest.byteLength === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) throw new Error(`git ended ${left} bytes early`);
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.byteLength);
      left -= part.byteLength;
      yield part;
    }
  }

  async skip(count: number): Promise<void> {
    for await (const part of this.exactly(count)) void part;
  }
}
