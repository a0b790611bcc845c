import type { Style } from './render/style.ts';

/** In a pipe nothing is cut or wrapped: who reads it has his own width. */
const UNLIMITED = 100_000;

/** Where a command writes, and what it may write there. */
export interface Terminal {
  /** The result; what `| jq` gets. */
  out(line: string): void;
  /** Raw bytes of a program that is run. */
  raw(stream: 'stdout' | 'stderr', chunk: Uint8Array): void;
  /** Progress and remarks, on standard error, so that results stay clean. */
  note(line: string): void;
  readonly style: Style;
  /** A terminal that can redraw: live displays are for these. */
  readonly canRedraw: boolean;
  readonly rows: number;
  /** Control sequences and text, unchanged. */
  control(text: string): void;
  onResize(listener: () => void): () => void;
}

/** The process's own terminal. NO_COLOR (no-color.org), TERM=dumb, FORCE_COLOR and pipes are respected. */
export function processTerminal(environment: NodeJS.ProcessEnv): Terminal {
  const { stdout, stderr } = process;
  const dumb = environment.TERM === 'dumb' || environment.TERM === undefined;
  const forced = environment.FORCE_COLOR !== undefined && environment.FORCE_COLOR !== '0';
  const refused = (environment.NO_COLOR ?? '') !== '';
  const colour = !refused && (forced || (stdout.isTTY && !dumb));
  const locale = environment.LC_ALL ?? environment.LC_CTYPE ?? environment.LANG ?? '';
  const unicode = !dumb && (locale === '' ? true : /utf-?8/i.test(locale) || !/^(C|POSIX)$/.test(locale));
  // Ends quietly when the reader has gone (`veza events | head`).
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    out: (line) => void stdout.write(`${line}\n`),
    note: (line) => void stderr.write(`${line}\n`),
    raw: (stream, chunk) => void (stream === 'stdout' ? stdout : stderr).write(chunk),
    control: (text) => void stdout.write(text),
    // Asked for each time: terminals are resized.
    get style(): Style {
      return { colour, unicode, width: stdout.isTTY ? Math.max(20, stdout.columns) : UNLIMITED };
    },
    canRedraw: stdout.isTTY && !dumb,
    get rows(): number {
      return stdout.isTTY ? Math.max(5, stdout.rows) : 24;
    },
    onResize: (listener) => {
      stdout.on('resize', listener);
      return () => void stdout.off('resize', listener);
    },
  };
}
