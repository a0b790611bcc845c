import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { chunkHead, lastChunk } from '../../src/gateway/http1/chunked.ts';
import { compare } from './compare.ts';
import { type Message, type Reading, type Side, limits, readConnection } from './connection.ts';
import { answer, chunkedBody, mutate, request } from './grammar.ts';
import { Llhttp } from './llhttp.ts';
import { Random } from './random.ts';

// Fuzzing of what reads HTTP/1.1: node test/fuzz/http1.ts --inputs 1000000 --seed 1
// Every input is made by a grammar, mostly changed a little, and read whole and in pieces. What must hold is in `check`.

export interface FuzzReport {
  readonly inputs: number;
  /** How many ended how. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Messages that were read, and of them with a complete body. */
  readonly messages: number;
  readonly complete: number;
  readonly compared: number;
  /** How llhttp read the same octets. */
  readonly comparisons: ReadonlyMap<string, number>;
  /** Each one a bug: the input as JSON, and what was wrong with it. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Each so manieth input is read by llhttp too. */
  readonly compareEach: number;
  readonly onProgress?: (done: number) => void;
}

/** Runs so many inputs of a seed. Stops at the tenth failure. */
export function fuzz(options: FuzzOptions): FuzzReport {
  const random = new Random(options.seed);
  const llhttp = new Llhttp();
  const outcomes = new Map<string, number>();
  const comparisons = new Map<string, number>();
  const failures: string[] = [];
  let messages = 0;
  let complete = 0;
  let compared = 0;
  let slowestMs = 0;
  let done = 0;
  for (; done < options.inputs && failures.length < 10; done += 1) {
    const { side, text } = makeInput(random);
    const bytes = Buffer.from(text, 'latin1');
    const begun = performance.now();
    try {
      const reading = check(side, bytes, random);
      slowestMs = Math.max(slowestMs, performance.now() - begun);
      messages += reading.messages.length;
      for (const message of reading.messages) if (message.complete) complete += 1;
      count(outcomes, outcomeOf(reading));
      if (done % options.compareEach === 0) {
        compared += 1;
        const comparison = compare(side, reading, llhttp.read(bytes, side.kind === 'answer' ? side.method : null));
        const { verdict } = comparison;
        count(comparisons, verdict === 'same' ? verdict : `${verdict} ${comparison.why}`);
        if (verdict === 'differs') throw new Error(`llhttp reads it differently: ${comparison.why}`);
      }
    } catch (error) {
      failures.push(
        `${side.kind} ${JSON.stringify(text)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    if ((done + 1) % 100_000 === 0) options.onProgress?.(done + 1);
  }
  return { inputs: done, outcomes, messages, complete, compared, comparisons, failures, slowestMs };
}

function makeInput(random: Random): { readonly side: Side; readonly text: string } {
  let text = '';
  let side: Side = { kind: 'request' };
  const kind = random.below(100);
  if (kind < 55) {
    for (let left = 1 + random.below(3); left > 0; left -= 1) text += request(random);
  } else if (kind < 85) {
    const written = answer(random);
    text = random.percent(30) ? written.text + answer(random).text : written.text;
    side = { kind: 'answer', method: written.method };
  } else if (kind < 97) {
    text = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunkedBody(random)}${request(random)}`;
  } else {
    for (let left = random.below(200); left > 0; left -= 1) text += String.fromCharCode(random.below(256));
  }
  return { side, text: random.percent(45) ? mutate(random, text) : text };
}

/** Reads an input whole and in pieces. Throws when something does not hold. */
function check(side: Side, bytes: Buffer, random: Random): Reading {
  const whole = readConnection(side, bytes, [bytes.length], random.below(6));
  const pieces = readConnection(side, bytes, cutsOf(random, bytes.length), random.below(6));
  if (summary(whole) !== summary(pieces)) {
    throw new Error(`in pieces it is read as ${summary(pieces)}, whole as ${summary(whole)}`);
  }
  for (const message of whole.messages) checkWellFormed(message);
  if (whole.messages.length > 0) checkRoundTrip(side, whole);
  return whole;
}

function cutsOf(random: Random, length: number): number[] {
  if (length < 1000 && random.percent(20)) return Array.from({ length }, (_, index) => index + 1);
  const cuts = new Set([length]);
  for (let left = random.below(6); left > 0; left -= 1) cuts.add(random.below(length + 1));
  return [...cuts].sort((a, b) => a - b);
}

const summary = ({ messages, fault, at }: Reading): string =>
  JSON.stringify([
    messages.map(({ of, body, trailers, complete }) => [{ ...of.head, end: 0 }, body, trailers, complete]),
    fault,
    fault === null ? at : null,
  ]);

const badInValue = /[^\t\u0020-\u007e\u0080-\u00ff]|^[ \t]|[ \t]$/;
const badInName = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/** What everything behind the parser relies on. */
function checkWellFormed({ of, trailers }: Message): void {
  const { headers, names } = of.head;
  if (names.length * 2 !== headers.length || names.length > limits.maxHeaders + 1)
    throw new Error('names and headers do not fit');
  for (const flat of [headers, trailers]) {
    for (let i = 0; i < flat.length; i += 2) {
      const [name = '', value = ''] = [flat[i], flat[i + 1]];
      if (name === '' || badInName.test(name) || badInValue.test(value))
        throw new Error(`the field ${JSON.stringify([name, value])}`);
    }
  }
  if (names.some((name, index) => name !== headers[2 * index]?.toLowerCase()))
    throw new Error('a name of another field');
  const lengths = names.filter((name) => name === 'content-length' || name === 'transfer-encoding').length;
  if (lengths > 1) throw new Error('framed twice');
  if (of.kind === 'request') {
    const { method, target, version, body } = of.head;
    if (!/^[-_0-9A-Z]{1,32}$/.test(method) || !/^[!-~]+$/.test(target) || target.includes('#'))
      throw new Error('the request line');
    const hosts = names.filter((name) => name === 'host').length;
    if (hosts > 1 || (version === '1.1' && hosts === 0)) throw new Error('the host');
    if ((body.kind === 'none') !== (lengths === 0))
      throw new Error('a body that is not framed, or the other way round');
  }
}

/** Writes down what was read, plainly, and reads that: it must be the same again. */
function checkRoundTrip(side: Side, whole: Reading): void {
  let text = '';
  for (const { of, body, trailers, complete } of whole.messages) {
    const { head } = of;
    text +=
      of.kind === 'request'
        ? `${of.head.method} ${of.head.target} HTTP/${of.head.version}\r\n`
        : `HTTP/${versionOf(of.head.headers, of.head.keepAlive, of.head.body === null)} ${of.head.status} ${of.head.reason}\r\n`;
    for (let i = 0; i < head.headers.length; i += 2) text += `${head.headers[i]}: ${head.headers[i + 1]}\r\n`;
    text += '\r\n';
    if (head.body?.kind !== 'open') text += body;
    else text += (body === '' ? '' : `${chunkHead(body.length)}${body}\r\n`) + (complete ? lastChunk(trailers) : '');
  }
  const bytes = Buffer.from(text, 'latin1');
  const again = readConnection(side, bytes, [bytes.length]);
  if (again.fault !== null || summary({ ...again, at: 0 }) !== summary({ ...whole, fault: null, at: 0 })) {
    throw new Error(`written again it is read as ${summary(again)}, before as ${summary(whole)}`);
  }
}

/** An answer does not tell its version; what it was decides whether its connection is kept. */
function versionOf(headers: readonly string[], keepAlive: boolean, untilClose: boolean): '1.0' | '1.1' {
  const closes = headers.some(
    (text, index) =>
      index % 2 === 1 && headers[index - 1]?.toLowerCase() === 'connection' && /(?:^|,)\s*close\s*(?:,|$)/i.test(text),
  );
  return keepAlive || untilClose || closes ? '1.1' : '1.0';
}

function outcomeOf({ messages, fault }: Reading): string {
  if (fault !== null)
    return `${messages.length === 0 ? 'refused' : 'refused after a message'}: ${fault.replaceAll(/: .*|\b\d{2,}\b/g, '')}`;
  if (messages.length === 0) return 'waits for more of a head';
  return messages.at(-1)?.complete === true ? 'read to the end' : 'waits for more of a body';
}

const count = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed / 1_048_576;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      'compare-each': { type: 'string', default: '1' },
    },
  });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  // What is compiled and cached once is no leak.
  fuzz({ inputs: 20_000, seed: 0, compareEach: 10 });
  const before = heapAfterCollection();
  const begun = performance.now();
  const report = fuzz({
    inputs: Number(values.inputs),
    seed: Number(values.seed),
    compareEach: Number(values['compare-each']),
    onProgress: (done) => say(`${done} inputs, heap ${heapAfterCollection().toFixed(1)} MB`),
  });
  const seconds = (performance.now() - begun) / 1000;
  const grownMb = heapAfterCollection() - before;
  for (const [title, counts] of [
    ['outcomes', report.outcomes],
    ['llhttp', report.comparisons],
  ] as const) {
    say(`${title}:`);
    for (const [key, times] of [...counts].sort((a, b) => b[1] - a[1])) say(`  ${String(times).padStart(9)}  ${key}`);
  }
  for (const failure of report.failures) say(`FAILED ${failure}`);
  const good = report.failures.length === 0 && grownMb < 16 && report.slowestMs < 1000;
  say(
    `${good ? 'ok' : 'FAILED'}: ${report.inputs} inputs of seed ${values.seed} in ${seconds.toFixed(0)} s, ${report.messages} messages (${report.complete} complete), ` +
      `${report.compared} read by llhttp too, ${report.failures.length} failures, slowest ${report.slowestMs.toFixed(1)} ms, heap ${grownMb >= 0 ? '+' : ''}${grownMb.toFixed(1)} MB`,
  );
  process.exitCode = good ? 0 : 1;
}

if (import.meta.main) main();
