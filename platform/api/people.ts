import type { Cache } from '../cache/cache.ts';
import { createCaller } from '../kit/call.ts';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import { ErasureWorker, type StepHooks } from '../people/erasure.ts';
import { createSubjects } from '../people/subject.ts';
import type { ApiParts } from './parts.ts';
import { doErasureStep } from './people-erasure.ts';
import { ERASURE_TIMES, PeopleJournal, type ErasureTimes } from './people-journal.ts';
import { peopleRoutes } from './people-routes.ts';

export interface PeopleOptions {
  readonly parts: ApiParts;
  readonly cache: Cache;
  readonly ledgerKey: string;
  readonly internalKey: string;
  readonly identityUrl: string;
  readonly chatUrl: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly times?: ErasureTimes;
  readonly everyMs?: number;
  readonly hooks?: StepHooks;
}

/** Adds export and erasure to api, and goes on with what is to be erased, whichever instance began it. */
export function startPeople(options: PeopleOptions): { stop(): Promise<void> } {
  const { parts, cache, internalKey, log, metrics, hooks } = options;
  const callerOf = (service: string, url: string) =>
    createCaller({ service, url, key: internalKey, timeoutMs: 15_000 });
  const shared = {
    database: parts.database,
    storage: parts.storage,
    cache,
    cacheKeys: parts.cacheKeys,
    identity: callerOf('identity', options.identityUrl),
    chat: callerOf('chat', options.chatUrl),
  };
  const journal = new PeopleJournal(
    parts.database.write,
    createSubjects(options.ledgerKey),
    options.times ?? ERASURE_TIMES,
  );
  const steps = metrics.counter({
    name: 'erasure_steps_total',
    help: 'Steps of erasing people, by what came of them.',
    labels: ['operation', 'outcome'],
  });
  const worker = new ErasureWorker({
    journal,
    doStep: async (step, personId, signal) => {
      await doErasureStep(shared, step, personId, signal);
      steps.inc({ operation: step, outcome: 'done' });
    },
    onFailure: (step, error) => {
      steps.inc({ operation: step, outcome: 'failed' });
      log.warn({ operation: step, error }, 'a step of an erasure failed and is tried again');
    },
    onFinished: (state) => log.info({ state }, 'somebody was erased'),
    everyMs: options.everyMs ?? 5000,
    ...(hooks === undefined ? {} : { hooks }),
  });
  peopleRoutes({
    ...shared,
    app: parts.app,
    authenticated: parts.authenticated,
    internalKey,
    journal,
    wake: () => worker.wake(),
    clock: parts.clock,
  });
  return { stop: () => worker.stop() };
}
