import { spoil, writeRequest, type Random } from './grammar.ts';
import { randomFrom } from './random.ts';
import { RawClient } from './raw-client.ts';
import { RecordingInstance } from './recording-instance.ts';
import { residentBytes, startDataPlane } from './routers.ts';
import { readAnswers, readRequests, type ReadRequest, type Stretch } from './strict-reader.ts';

// Fuzzing through a running gateway. The invariant: what the instance received is, connection by connection, the sequence
// of requests that a strict reading of the sent bytes gives, up to where the gateway refused; each is answered with its own
// answer; nothing else ever arrives. The gateway may refuse more than the strict reader, never less.

export interface FuzzFailure {
  readonly seed: number;
  readonly connection: number;
  readonly what: string;
  readonly sent: string;
}

export interface FuzzReport {
  readonly inputs: number;
  readonly connections: number;
  /** Requests that arrived and were answered. */
  readonly passed: number;
  /** Connections that ended with a refusal, by status. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Connections whose next request was good for the strict reader, and refused by the gateway all the same. */
  readonly stricter: number;
  readonly failures: readonly FuzzFailure[];
  readonly complaints: readonly string[];
  /** Resident bytes of the gateway after 10 % of the inputs, and at the end. */
  readonly residentAtTenth: number;
  readonly residentAtEnd: number;
  /** Bytes in use after a collection, at the same two times. */
  readonly liveAtTenth: number;
  readonly liveAtEnd: number;
  readonly seconds: number;
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Connections at a time. */
  readonly parallel?: number;
  readonly progress?: (inputs: number, resident: number) => void;
}

/** Connections whose arrivals are compared together. */
const batchSize = 96;
/** Milliseconds for answers; and for what may not come. */
const answerMs = 8_000;
const quietMs = 15;

interface Sent {
  readonly index: number;
  readonly bytes: Buffer;
  readonly reading: Stretch;
  readonly inputs: number;
}

function write(random: Random, index: number): Sent {
  const inputs = 1 + Math.floor(random() * 6);
  let text = '';
  for (let at = 0; at < inputs; at += 1) text += writeRequest(random, `/f/${index}/${at}`);
  if (random() < 0.5) for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) text = spoil(random, text);
  // Ends a head that has lost its end, so that it is judged now and not by a deadline.
  const bytes = Buffer.from(`${text}\r\n\r\n`, 'latin1');
  return { index, bytes, reading: readRequests(bytes, 1), inputs };
}

/** What a request means: what must be the same at the instance. */
function meaning({ method, target, headers, body }: ReadRequest): string {
  const absolute = /^https?:\/\/([^/?]+)(.*)$/i.exec(target);
  const path = absolute === null ? target : `${absolute[2]?.startsWith('/') === true ? '' : '/'}${absolute[2] ?? ''}`;
  const named = new Set(
    headers
      .filter(([name]) => name === 'connection')
      .flatMap(([, value]) =>
        value
          .toLowerCase()
          .split(',')
          .map((one) => one.trim()),
      ),
  );
  const kept = headers
    .filter(([name]) => (name.startsWith('x-f-') || name === 'accept' || name === 'user-agent') && !named.has(name))
    .map(([name, value]) => `${name}: ${value}`)
    .sort();
  // HTTP/1.0 needs no host; HTTP/1.1 to the instance does, and gets the name of the service.
  const host = absolute?.[1] ?? headers.find(([name]) => name === 'host')?.[1] ?? 'web';
  return JSON.stringify([method, path, host, kept, body.toString('latin1')]);
}

const fromInstance = (headers: ReadRequest['headers']): boolean => headers.some(([name]) => name === 'x-instance');

interface Seen {
  readonly sent: Sent;
  /** Requests that the instance answered, as the client saw. */
  readonly passed: number;
  readonly refusal: number | null;
  readonly problem: string | null;
}

async function converse(port: number, sent: Sent, random: Random): Promise<Seen> {
  const { requests, rest } = sent.reading;
  const methods = requests.map(({ method }) => method);
  const client = new RawClient(port);
  try {
    const cuts = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * sent.bytes.length)).sort(
      (a, b) => a - b,
    );
    const edges = [0, ...cuts, sent.bytes.length];
    await client.send(
      edges
        .slice(1)
        .map((to, at) => sent.bytes.subarray(edges[at], to))
        .filter(({ length }) => length > 0),
    );
    const mayEnd = requests.at(-1)?.keepAlive !== false;
    await client.until(
      ({ bytes, closed }) => {
        if (closed !== null) return true;
        const { answers } = readAnswers(bytes, methods, false);
        return rest !== 'fault' && mayEnd && answers.length >= requests.length;
      },
      rest === 'incomplete' && requests.length === 0 ? quietMs : answerMs,
    );
    if (rest === 'incomplete') await client.until(({ bytes, closed }) => closed !== null || bytes.length > 0, quietMs);
    // The end of the connection may come a moment behind a refusal.
    const said = readAnswers(client.heard().bytes, methods, false).answers.at(-1);
    if (said !== undefined && !fromInstance(said.headers))
      await client.until(({ closed }) => closed !== null, answerMs);
    const { bytes, closed } = client.heard();
    const { answers, fault } = readAnswers(bytes, methods, closed === 'ended');
    const passed = answers.filter(({ headers }) => fromInstance(headers)).length;
    const problem = fault === null ? wrongAnswers(sent, answers, closed) : `no answer: ${fault}`;
    return { sent, passed, refusal: answers[passed]?.status ?? null, problem };
  } finally {
    client.destroy();
  }
}

function wrongAnswers(
  { reading }: Sent,
  answers: ReturnType<typeof readAnswers>['answers'],
  closed: 'ended' | 'reset' | null,
): string | null {
  const { requests, rest } = reading;
  for (const [at, answer] of answers.entries()) {
    const request = requests[at];
    if (!fromInstance(answer.headers)) {
      if (at !== answers.length - 1) return 'something was answered behind a refusal';
      if (closed === null) return `refused with ${answer.status}, and the connection stays open`;
      if (answer.status < 400 || answer.status === 502 || answer.status === 503)
        return `answered with ${answer.status}`;
      return null;
    }
    if (request === undefined) return 'an answer to what is no request';
    const target = request.target.replace(/^https?:\/\/[^/?]+/i, '');
    const path = target.startsWith('/') ? target : `/${target}`;
    const text = request.method === 'HEAD' ? '' : `${request.method} ${path} ${request.body.length}`;
    if (answer.body.toString('latin1') !== text)
      return `the answer to ${request.method} ${path} is ${answer.body.toString('latin1')}`;
  }
  if (answers.length < requests.length && closed === null)
    return `${requests.length - answers.length} requests without answer`;
  if (rest === 'fault' && closed === null) return 'a fault, and the connection stays open';
  return null;
}

/** Runs the fuzzer against a gateway in a process of its own. The same seed sends the same bytes. */
export async function fuzzGateway({ inputs, seed, parallel = 24, progress }: FuzzOptions): Promise<FuzzReport> {
  const began = performance.now();
  const instance = new RecordingInstance();
  let arrived: ReadRequest[] = [];
  const faults: string[] = [];
  instance.heard = (request, fault) => {
    if (request !== null) arrived.push(request);
    if (fault !== null) faults.push(fault);
  };
  const gateway = await startDataPlane(await instance.start());
  const failures: FuzzFailure[] = [];
  const refusals: Record<string, number> = {};
  let [done, connections, passed, stricter, residentAtTenth, liveAtTenth] = [0, 0, 0, 0, 0, 0];
  try {
    for (let batch = 0; done < inputs && failures.length < 20; batch += 1) {
      const random = randomFrom(seed + batch * 7_919);
      const waiting = Array.from({ length: batchSize }, (_, at) => write(random, batch * batchSize + at));
      const seen: Seen[] = [];
      const work = async (): Promise<void> => {
        for (let sent = waiting.pop(); sent !== undefined; sent = waiting.pop()) {
          seen.push(await converse(gateway.port, sent, randomFrom(seed + sent.index)));
        }
      };
      await Promise.all(Array.from({ length: parallel }, work));
      const expected = new Map<string, { count: number; from: Seen }>();
      for (const one of seen) {
        const { sent, refusal, problem } = one;
        connections += 1;
        done += sent.inputs;
        passed += one.passed;
        if (refusal !== null) refusals[refusal] = (refusals[refusal] ?? 0) + 1;
        if (refusal !== null && one.passed < sent.reading.requests.length) stricter += 1;
        if (problem !== null) failures.push(failure(seed, sent, problem));
        for (const request of sent.reading.requests.slice(0, one.passed)) {
          const key = meaning(request);
          expected.set(key, { count: (expected.get(key)?.count ?? 0) + 1, from: one });
        }
      }
      for (const request of arrived) {
        const key = meaning(request);
        const entry = expected.get(key);
        if (entry === undefined || entry.count === 0) {
          const index = Number(/\/f\/(\d+)\//.exec(request.target)?.[1] ?? -1);
          const sent = seen.find((one) => one.sent.index === index)?.sent;
          failures.push(failure(seed, sent ?? null, `arrived and was not sent, or not answered: ${key}`));
        } else entry.count -= 1;
      }
      for (const [key, { count, from }] of expected) {
        if (count > 0) failures.push(failure(seed, from.sent, `was answered and did not arrive so: ${key}`));
      }
      for (const fault of faults.splice(0)) failures.push(failure(seed, null, `malformed at the instance: ${fault}`));
      arrived = [];
      instance.forget();
      const resident = await residentBytes(await gateway.pids());
      if (residentAtTenth === 0 && done >= inputs / 10) {
        residentAtTenth = resident;
        liveAtTenth = (await gateway.liveBytes()) ?? 0;
      }
      progress?.(done, resident);
    }
    const complaints = await gateway.complaints();
    const residentAtEnd = await residentBytes(await gateway.pids());
    const liveAtEnd = (await gateway.liveBytes()) ?? 0;
    const seconds = (performance.now() - began) / 1_000;
    return {
      inputs: done,
      connections,
      passed,
      refusals,
      stricter,
      failures,
      complaints,
      residentAtTenth,
      residentAtEnd,
      liveAtTenth,
      liveAtEnd,
      seconds,
    };
  } finally {
    await gateway.end();
    await instance.stop();
  }
}

const failure = (seed: number, sent: Sent | null, what: string): FuzzFailure => ({
  seed,
  connection: sent?.index ?? -1,
  what,
  sent: sent === null ? '' : JSON.stringify(sent.bytes.toString('latin1')),
});
