import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerCase } from './case.ts';
import { answers as cases } from './corpus/answers.ts';
import { randomFrom } from './random.ts';
import { cut, modes, RawClient, type Mode } from './raw-client.ts';
import { RecordingInstance } from './recording-instance.ts';
import { haproxyVersion, startDataPlane, startHaproxy, type RouterUnderFire } from './routers.ts';
import { readAnswers, type ReadAnswer } from './strict-reader.ts';

// A hostile instance: it answers one request badly, and then other clients must get their own answers and nothing else.

const attacked = '/attacked';
const patienceMs = 5_000;
/** Milliseconds until an answer that nobody asked for is sent. */
const laterMs = 30;

interface AnswerResult {
  readonly what: string;
  readonly problems: readonly string[];
}

export interface AnswerReport {
  readonly one: AnswerCase;
  readonly gateway: AnswerResult;
  readonly haproxy: AnswerResult | null;
}

const request = (method: string, target: string): string =>
  `${method} ${target} HTTP/1.1\r\nHost: a.test\r\n${method === 'POST' ? 'Content-Length: 5\r\n\r\nhello' : '\r\n'}`;

/** What the instance sends for a case, in the pieces of a mode. */
function hostileAnswering(one: AnswerCase, mode: Mode, random: () => number): RecordingInstance['answering'] {
  return ({ target }, socket) => {
    if (target !== attacked) return null;
    const pieces = one.answer === '' ? [] : cut(Buffer.from(one.answer, 'latin1'), mode, random);
    void (async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
      }
      if (one.later !== undefined) {
        await sleep(laterMs);
        if (!socket.destroyed) socket.write(Buffer.from(one.later, 'latin1'));
      }
      if (one.closes === true) socket.end();
    })();
    return 'answered';
  };
}

/** What is wrong with the answer to a request that has nothing to do with the case. */
function strange(answer: ReadAnswer | undefined, target: string): string | null {
  const text = answer?.body.toString('latin1');
  if (answer?.status === 200 && answer.complete && text === `GET ${target} 0`) return null;
  return `${target} was answered with ${answer?.status ?? 'nothing'} ${JSON.stringify(text?.slice(0, 60) ?? '')}`;
}

async function attack(
  router: RouterUnderFire,
  instance: RecordingInstance,
  one: AnswerCase,
  mode: Mode,
  seed: number,
): Promise<AnswerResult> {
  const method = one.method ?? 'GET';
  const problems: string[] = [];
  instance.answering = hostileAnswering(one, mode, randomFrom(seed));
  const client = new RawClient(router.port);
  const patience = router.name === 'gateway' ? patienceMs : 800;
  try {
    await client.send([Buffer.from(request(method, attacked))]);
    await client.until(
      ({ bytes, closed }) => closed !== null || readAnswers(bytes, [method], false).answers[0]?.complete === true,
      patience,
    );
    const first = client.heard();
    const { answers, fault } = readAnswers(first.bytes, [method], first.closed === 'ended');
    problems.push(...wrong(one, answers[0], answers.length, fault));
    // The client's own connection, if it is kept.
    if (first.closed === null) {
      await client.send([Buffer.from(request('GET', '/same-client'))]);
      await client.until(
        ({ bytes, closed }) => closed !== null || readAnswers(bytes, [method], false).answers.length > 1,
        patience,
      );
      const then = client.heard();
      const more = readAnswers(then.bytes, [method], then.closed === 'ended').answers.slice(1);
      const gone = more.length === 0 && then.closed !== null;
      const trouble = gone ? null : strange(more[0], '/same-client');
      if (trouble !== null) problems.push(trouble);
    }
    if (one.later !== undefined) await sleep(laterMs * 2);
    problems.push(...(await others(router)));
    const what =
      answers[0] === undefined
        ? `nothing${first.closed === null ? '' : ` ${first.closed}`}`
        : `${answers[0].status}${answers[0].complete ? '' : ' cut'}`;
    return { what, problems: problems.map((problem) => `${mode}: ${problem}`) };
  } finally {
    client.destroy();
    instance.answering = null;
    instance.forget();
  }
}

/** Three other clients, one after another, each on its own connection. */
async function others(router: RouterUnderFire): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const target of ['/other/1', '/other/2', '/other/3']) {
    const other = new RawClient(router.port);
    await other.send([Buffer.from(request('GET', target))]);
    await other.until(
      ({ bytes, closed }) => closed !== null || readAnswers(bytes, ['GET'], false).answers[0]?.complete === true,
      patienceMs,
    );
    const trouble = strange(readAnswers(other.heard().bytes, ['GET'], false).answers[0], target);
    if (trouble !== null) problems.push(`another client: ${trouble}`);
    other.destroy();
  }
  return problems;
}

function wrong({ expect }: AnswerCase, answer: ReadAnswer | undefined, count: number, fault: string | null): string[] {
  const problems: string[] = [];
  if (fault !== null && expect.kind === 'passed') problems.push(`malformed at the client: ${fault}`);
  if (count > 1) problems.push(`${count} answers to one request`);
  const badGateway = answer?.status === 502 && answer.complete;
  const incomplete = answer === undefined || !answer.complete;
  switch (expect.kind) {
    case 'bad-gateway':
      if (!badGateway) problems.push(`answered with ${answer?.status ?? 'nothing'} instead of 502`);
      return problems;
    case 'cut':
      if (!incomplete) problems.push('looks complete');
      return problems;
    case 'bad-gateway-or-cut':
      if (!badGateway && !incomplete) problems.push(`looks complete: ${answer.status}`);
      return problems;
    case 'passed': {
      if (answer?.status !== expect.status || !answer.complete)
        problems.push(`answered with ${answer?.status ?? 'nothing'}`);
      else if (answer.body.toString('latin1') !== expect.body)
        problems.push(`body ${JSON.stringify(answer.body.toString('latin1').slice(0, 60))}`);
      for (const [name, value] of expect.headers ?? []) {
        if (!answer?.headers.some((header) => header[0] === name && header[1] === value))
          problems.push(`without ${name}: ${value}`);
      }
      for (const name of expect.absent ?? []) {
        if (answer?.headers.some(([given]) => given === name)) problems.push(`with ${name}`);
      }
      return problems;
    }
  }
}

async function runCase(
  router: RouterUnderFire,
  instance: RecordingInstance,
  one: AnswerCase,
  seed: number,
): Promise<AnswerResult> {
  const problems: string[] = [];
  let what = '';
  for (const mode of modes) {
    const result = await attack(router, instance, one, mode, seed);
    if (what === '') ({ what } = result);
    problems.push(...result.problems);
  }
  return { what, problems };
}

/** Lets a hostile instance answer in every way of the corpus, behind the gateway and behind HAProxy. */
export async function answersRun(
  only: string,
  reference: boolean,
  progress: (report: AnswerReport) => void,
): Promise<{ readonly reports: readonly AnswerReport[]; readonly complaints: readonly string[] }> {
  const instances = { gateway: new RecordingInstance(), haproxy: new RecordingInstance() };
  const gateway = await startDataPlane(await instances.gateway.start());
  const endpoint = await instances.haproxy.start();
  const haproxy = reference && haproxyVersion() !== null ? await startHaproxy(endpoint) : null;
  const reports: AnswerReport[] = [];
  try {
    for (const [seed, one] of cases.entries()) {
      if (!one.name.includes(only)) continue;
      const [ours, theirs] = await Promise.all([
        runCase(gateway, instances.gateway, one, seed),
        haproxy === null ? null : runCase(haproxy, instances.haproxy, one, seed),
      ]);
      const report = { one, gateway: ours, haproxy: theirs };
      reports.push(report);
      progress(report);
    }
    return { reports, complaints: await gateway.complaints() };
  } finally {
    await Promise.all([gateway.end(), haproxy?.end()]);
    await Promise.all([instances.gateway.stop(), instances.haproxy.stop()]);
  }
}
