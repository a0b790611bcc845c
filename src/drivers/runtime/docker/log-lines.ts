import { StringDecoder } from 'node:string_decoder';
import type { ReleaseId } from '../../../core/release/release.ts';
import type { LogLine } from '../runtime.ts';
import { frames } from './api/frames.ts';
import type { Writer } from './labels.ts';

/** A line with the exact time of its container's log, by which it is found again. */
export interface ContainerLine extends LogLine {
  /** RFC 3339 with nanoseconds. */
  readonly stamp: string;
}

/**
 * Lines of a container's log that was asked for with times. The Engine cuts lines at 16 KiB, and each piece has a time: those
 * without a line break at the end go on.
 */
export async function* containerLines(chunks: AsyncIterable<Buffer>, writer: Writer): AsyncIterable<ContainerLine> {
  const open = { stdout: new OpenLine(), stderr: new OpenLine() };
  const line = (stream: 'stdout' | 'stderr', stamp: string, text: string): ContainerLine => ({
    time: Date.parse(stamp),
    instance: writer.id,
    release: writer.release as ReleaseId,
    stream,
    text,
    stamp,
  });
  for await (const { stream, payload } of frames(chunks)) {
    const ended = open[stream].add(payload);
    if (ended !== null) yield line(stream, ended.stamp, ended.text);
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const ended = open[stream].end();
    if (ended !== null) yield line(stream, ended.stamp, ended.text);
  }
}

/** All of them. */
export async function allContainerLines(
  chunks: AsyncIterable<Buffer>,
  writer: Writer,
): Promise<readonly ContainerLine[]> {
  const lines: ContainerLine[] = [];
  for await (const line of containerLines(chunks, writer)) lines.push(line);
  return lines;
}

class OpenLine {
  #stamp: string | null = null;
  #text = '';
  #decoder = new StringDecoder('utf8');

  add(payload: Buffer): { readonly stamp: string; readonly text: string } | null {
    const blank = payload.indexOf(0x20);
    this.#stamp ??= payload.toString('latin1', 0, blank);
    const ends = payload.at(-1) === 0x0a;
    this.#text += this.#decoder.write(payload.subarray(blank + 1, ends ? -1 : undefined));
    return ends ? this.end() : null;
  }

  end(): { readonly stamp: string; readonly text: string } | null {
    if (this.#stamp === null) return null;
    const ended = { stamp: this.#stamp, text: this.#text + this.#decoder.end() };
    this.#stamp = null;
    this.#text = '';
    this.#decoder = new StringDecoder('utf8');
    return ended;
  }
}
