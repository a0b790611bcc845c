import { setTimeout as sleep } from 'node:timers/promises';
import { followUp, type HostileCase } from './case.ts';
import type { Outcome } from './judge.ts';
import { cut, RawClient, type Heard, type Mode } from './raw-client.ts';
import type { RecordingInstance } from './recording-instance.ts';
import type { RouterUnderFire } from './routers.ts';
import { readAnswers } from './strict-reader.ts';

/** Milliseconds for what should happen at once. The reference is not judged, so it gets less. */
const patienceMs = { gateway: 5_000, haproxy: 600 } as const;
/** Milliseconds for the end of a connection behind an answer. */
const closingMs = { gateway: 1_500, haproxy: 150 } as const;
/** Milliseconds in which nothing happens, for cases in which nothing may happen. */
const quietMs = 120;

let barriers = 0;

/** A request of somebody else, through the router to the instance and back: what was sent before it has arrived. */
export async function barrier(router: RouterUnderFire): Promise<void> {
  const target = `/barrier/${(barriers += 1)}`;
  const client = new RawClient(router.port);
  try {
    await client.send([Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`)]);
    await client.until(({ closed }) => closed !== null, patienceMs.gateway);
    const { bytes, closed } = client.heard();
    const { answers } = readAnswers(bytes, ['GET'], closed === 'ended');
    const text = answers[0]?.body.toString();
    if (text !== `GET ${target} 0`) {
      throw new Error(
        `${router.name} answered another client's request with ${JSON.stringify(bytes.toString('latin1').slice(0, 200))}`,
      );
    }
  } finally {
    client.destroy();
  }
}

/** Methods of the requests that a case expects to be answered, for reading answers to HEAD. */
function methodsOf({ expect }: HostileCase): readonly string[] {
  return expect.kind === 'passed' ? expect.requests.map(({ method = 'GET' }) => method) : [];
}

/** Sends one case through a router and says what happened at both ends. */
export async function fire(
  router: RouterUnderFire,
  instance: RecordingInstance,
  one: HostileCase,
  mode: Mode,
  random: () => number,
): Promise<Outcome> {
  instance.forget();
  const methods = methodsOf(one);
  const client = new RawClient(router.port);
  const { expect } = one;
  const behind = one.alone === true ? '' : followUp;
  const expectedAnswers =
    expect.kind === 'passed'
      ? expect.requests.length + (expect.next === 'answered' && behind !== '' ? 1 : 0)
      : expect.kind === 'declined'
        ? 2
        : 0;
  const more = expect.kind === 'passed' && (expect.next === 'either' || expect.next === 'refused') && behind !== '';
  try {
    await client.send(cut(Buffer.from(one.bytes + behind, 'latin1'), mode, random));
    if (expect.kind === 'held') await client.until(({ closed }) => closed !== null, quietMs);
    else {
      const done = ({ bytes, closed }: Heard): boolean => {
        if (closed !== null) return true;
        if (expect.kind === 'refused' || expect.kind === 'broken-off') return false;
        if (expect.kind === 'passed' && (expect.next === 'closed' || expect.next === 'refused')) return false;
        return readAnswers(bytes, methods, false).answers.length >= expectedAnswers + (more ? 1 : 0);
      };
      await client.until((heard) => done(heard) || heard.bytes.length > 0, patienceMs[router.name]);
      let length = -1;
      // As long as something comes: the end of a connection may take a moment behind the last answer.
      while (length !== client.heard().bytes.length && !done(client.heard())) {
        ({ length } = client.heard().bytes);
        await client.until((heard) => done(heard) || heard.bytes.length > length, closingMs[router.name]);
      }
    }
    const { bytes, closed } = client.heard();
    client.destroy();
    await barrier(router);
    const arrivals = instance.arrivals();
    const { answers, fault } = readAnswers(bytes, methods, closed === 'ended');
    const arrived = arrivals
      .flatMap(({ requests }) => requests)
      .filter(({ target }) => !target.startsWith('/barrier/'));
    return {
      answers,
      answerFault: fault,
      closed,
      arrived: inOrder(arrived, instance),
      faults: arrivals.flatMap(({ fault }) => (fault === null ? [] : [fault])),
      incomplete: arrivals.filter(({ incomplete }) => incomplete).length,
    };
  } finally {
    client.destroy();
    if (expect.kind === 'held' || expect.kind === 'broken-off') await settled(instance);
  }
}

/** Requests over several connections of the router, in the order in which they were complete. */
const inOrder = (arrived: Outcome['arrived'], instance: RecordingInstance): Outcome['arrived'] =>
  [...arrived].sort((a, b) => instance.orderOf(a) - instance.orderOf(b));

/** What was broken off is gone: the next case does not see it. */
async function settled(instance: RecordingInstance): Promise<void> {
  const deadline = performance.now() + patienceMs.gateway;
  while (instance.arrivals().some(({ incomplete, open }) => incomplete && open)) {
    if (performance.now() > deadline) {
      throw new Error('a request that was broken off stays open at the instance');
    }
    await sleep(5);
  }
}
