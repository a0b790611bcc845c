import { setTimeout as sleep } from 'node:timers/promises';
import { BenchPlatform } from '../machine/platform.ts';
import { FAULTS, program } from './faults.ts';
import { ANSWER_TIMEOUT_MS, Lane, type Outcome } from './lane.ts';
import { Users } from './users.ts';

export interface CanaryOptions {
  /** Releases of each kind of fault. */
  readonly each: number;
  /** Releases that are as good as the one before. */
  readonly healthy: number;
  /** Services that are shipped side by side. */
  readonly lanes: number;
  /** Requests a second of each. */
  readonly rate: number;
  /** Seconds of traffic before the first candidate. */
  readonly settleSeconds: number;
  readonly only: RegExp;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

const healthyKind = 'healthy';

/** A platform of as many services as lanes, each a canary with nothing but defaults. */
const declared =
  (services: readonly string[]) =>
  (port: number): Readonly<Record<string, unknown>> => ({
    name: 'bench',
    services: Object.fromEntries(
      services.map((service) => [
        service,
        {
          source: service,
          run: 'node server.mjs',
          instances: 1,
          health: { path: '/health', stableFor: '0ms' },
          route: { paths: [`/${service}`], sticky: false },
          limits: { memory: '200MB' },
          proxy: { drain: '1s', responseTimeout: `${ANSWER_TIMEOUT_MS}ms` },
          strategy: { kind: 'canary', keepWarm: '0ms', watch: '1m' },
        },
      ]),
    ),
    environments: {
      development: {
        target: { kind: 'process', listen: `127.0.0.1:${port}`, ports: '23500-23599' },
        gates: { idle: 'pause' },
      },
    },
  });

/** Ships good and bad releases through the real thing, one after the other in each lane, and says what became of them. */
export async function runCanaries(options: CanaryOptions): Promise<readonly Outcome[]> {
  const { signal, progress } = options;
  const services = Array.from({ length: options.lanes }, (_, index) => `s${index + 1}`);
  const files = Object.fromEntries(services.map((service) => [`${service}/server.mjs`, program(`${service}-0`, {})]));
  const platform = await BenchPlatform.start({ platform: declared(services), files }, signal);
  const users: Users[] = [];
  try {
    const first = await platform.build('the first', files, services, signal);
    for (const service of services) await platform.deploy(first.get(service) ?? '', signal);
    const lanes = services.map((service) => {
      const own = new Users(`http://127.0.0.1:${platform.port}/${service}`, options.rate);
      users.push(own);
      return new Lane(service, platform, own);
    });
    await sleep(options.settleSeconds * 1_000, undefined, { signal });
    const queue = releases(options);
    const outcomes: Outcome[] = [];
    const work = async (lane: Lane): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const outcome = await lane.ship(next.name, next.fault, signal);
        outcomes.push(outcome);
        progress(line(outcome));
      }
    };
    await Promise.all(lanes.map(work));
    return outcomes;
  } finally {
    for (const own of users) await own.stop();
    await platform.stop();
  }
}

/** All that is to be shipped, good and bad mixed evenly, so that every kind meets the same machine. */
function releases({ each, healthy, only }: CanaryOptions): (typeof FAULTS)[number][] {
  const kinds = [
    ...FAULTS.map((kind) => ({ kind, count: each })),
    { kind: { name: healthyKind, fault: {} }, count: healthy },
  ].filter(({ kind }) => only.test(kind.name));
  return kinds
    .flatMap(({ kind, count }) => Array.from({ length: count }, (_, index) => ({ kind, at: (index + 0.5) / count })))
    .sort((a, b) => a.at - b.at)
    .map(({ kind }) => kind);
}

const line = ({ kind, takenBack, seconds, requests, failed, unanswered, reason }: Outcome): string =>
  `${kind.padEnd(24)} ${takenBack ? 'taken back' : 'live      '} after ${seconds.toFixed(1)} s, ${requests} requests, ${failed} failed, ${unanswered} unanswered ${reason}`;

export const isHealthy = (outcome: Outcome): boolean => outcome.kind === healthyKind;
