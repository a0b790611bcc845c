import { startLoad, type LoadRun } from '../../src/load/load.ts';
import type { LoadReport } from '../../src/load/report.ts';
import { DeployedDemo, type Behaviour, type DemoStrategy } from './deployed-demo.ts';

export interface BadRelease {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly ends: 'reverted' | 'live';
  /** What a person must be able to read in the reason; null where there is none to give. */
  readonly says: RegExp | null;
  /** Requests may be lost with the instance that had them: no router can give what a dead process took along. */
  readonly loses: boolean;
}

/** What stable does, so that "five times slower" is slower than something. */
const good: Behaviour = { workMs: 120 };

export const badReleases = (crashAfterSeconds: number): readonly BadRelease[] => [
  {
    name: 'never ready',
    behaviour: { neverReady: true },
    ends: 'reverted',
    says: /0 of 1 instances ready.*503/,
    loses: false,
  },
  {
    name: 'crashes at start',
    behaviour: { crashAtStart: true },
    ends: 'reverted',
    says: /exited with status 1.*crashes at start/,
    loses: false,
  },
  {
    name: `crashes after ${crashAfterSeconds} s`,
    behaviour: { crashAfterSeconds },
    ends: 'reverted',
    says: new RegExp(`exited with status 1.*crashes after ${crashAfterSeconds} s`),
    loses: true,
  },
  {
    name: 'fails 20 %',
    behaviour: { failPercent: 20 },
    ends: 'reverted',
    says: /errors(?: above 1%)?: \d+ of \d+ \(.* %\) of the candidate/,
    loses: false,
  },
  {
    name: '5x slower',
    behaviour: { slowFactor: 5 },
    ends: 'reverted',
    says: /latency (?:p\d+|above 500 ms): \d+ of \d+ \(.* %\) of the candidate/,
    loses: false,
  },
  {
    name: 'hangs',
    behaviour: { hang: true },
    ends: 'reverted',
    says: /latency above 500 ms: \d+ of \d+ \(.* %\) of the candidate/,
    loses: true,
  },
  {
    name: 'leaks to its limit',
    behaviour: { leakMbPerSecond: 50 },
    ends: 'reverted',
    says: /memory/,
    loses: true,
  },
  {
    name: 'fails, ignores SIGTERM',
    behaviour: { failPercent: 20, ignoreSigterm: true },
    ends: 'reverted',
    says: /errors(?: above 1%)?: \d+ of \d+ \(.* %\) of the candidate/,
    loses: false,
  },
  { name: 'ignores SIGTERM', behaviour: { ignoreSigterm: true }, ends: 'live', says: null, loses: false },
  // The one that retires it.
  { name: 'follows the one that ignores', behaviour: {}, ends: 'live', says: null, loses: false },
];

export interface BadReleaseRow {
  readonly release: BadRelease;
  readonly phase: string;
  readonly reason: string | null;
  /** From the request of the deployment to stable at 100 % (or to the commit). */
  readonly seconds: number;
  /** From the first share of traffic to stable at 100 %; null when it had none or stayed. */
  readonly exposedSeconds: number | null;
  /** From the request to the end, with nothing of it left running. */
  readonly totalSeconds: number;
  readonly requests: number;
  readonly failedByRelease: number;
  readonly lost: number;
  readonly wrong: number;
  /** Requests that failed in any way in the two seconds after everything had ended. */
  readonly afterwards: number;
  /** Processes of releases that neither are stable nor warm. */
  readonly leftRunning: number;
}

export interface BadReleasesOptions {
  /** Steps as short as they can be to see anything. */
  readonly brief: boolean;
  readonly crashAfterSeconds: number;
  readonly rate: number;
  readonly only?: RegExp;
  readonly log: (line: string) => void;
}

/** Nobody can see what comes after the watch window: it is as long as the release that crashes needs for that. */
const strategyFor = ({ brief, crashAfterSeconds }: BadReleasesOptions): DemoStrategy => ({
  kind: 'canary',
  ...(brief ? { steps: [10, 50], hold: '1s' } : { steps: [5, 25, 50], hold: '2s' }),
  watch: `${crashAfterSeconds}s`,
  keepWarm: '500ms',
  limits: { minSuccess: '99%', maxP99: '500ms', minRequests: 20 },
  deadlines: { starting: '6s' },
});

/** Ships each kind of bad release to a platform with users on it, and looks at what becomes of it. */
export async function runBadReleases(
  options: BadReleasesOptions,
): Promise<{ readonly rows: readonly BadReleaseRow[]; readonly report: LoadReport }> {
  const { crashAfterSeconds, rate, only, log } = options;
  const demo = await DeployedDemo.start({
    strategy: strategyFor(options),
    limits: { memory: '200MB' },
    stop: { grace: '2s' },
    restart: { backoff: '200ms', maxBackoff: '1s', crashLoopAfter: 2, window: '2m' },
  });
  let load: LoadRun | null = null;
  try {
    const first = await demo.deploy([
      ...(await demo.build('v1', ['web'], good)),
      ...(await demo.build('v1', ['api', 'worker'])),
    ]);
    const live = await demo.follow(first.id);
    if (live.phase !== 'succeeded') throw new Error(`the first deployment ended ${live.phase}: ${live.summary}`);
    load = startLoad({ target: demo.project.url, rate });
    const rows: BadReleaseRow[] = [];
    for (const [index, release] of badReleases(crashAfterSeconds).entries()) {
      if (only !== undefined && !only.test(release.name)) continue;
      const row = await ship(demo, load, release, `v${index + 2}`);
      rows.push(row);
      log(rowText(row));
    }
    return { rows, report: await load.stop() };
  } finally {
    await load?.stop();
    await demo.stop();
  }
}

async function ship(demo: DeployedDemo, load: LoadRun, release: BadRelease, version: string): Promise<BadReleaseRow> {
  const ids = await demo.build(version, ['web'], { ...good, ...release.behaviour });
  const before = load.snapshot();
  const began = performance.now();
  let exposed: number | null = null;
  let settled: number | null = null;
  const { id } = await demo.deploy(ids);
  const view = await demo.follow(id, ({ legs, reason, committedAt }) => {
    const weight = Math.max(...legs.map((leg) => leg.weight));
    if (weight > 0) exposed ??= performance.now();
    if (committedAt !== null || (reason !== null && weight === 0)) settled ??= performance.now();
  });
  const ended = performance.now();
  const after = load.snapshot();
  // Stable has everything again: nothing goes wrong any more.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const later = load.snapshot();
  const bad = (one: typeof after): number => one.lost + one.wrong + one.failedByRelease;
  const { services } = await demo.client.call('status', { query: {} });
  const web = services.find(({ service }) => service === 'web');
  const back = settled ?? ended;
  return {
    release,
    phase: view.phase,
    reason: view.reason?.text ?? null,
    seconds: (back - began) / 1_000,
    exposedSeconds: exposed === null || view.phase === 'succeeded' ? null : (back - exposed) / 1_000,
    totalSeconds: (ended - began) / 1_000,
    requests: after.requests - before.requests,
    failedByRelease: after.failedByRelease - before.failedByRelease,
    lost: after.lost - before.lost,
    wrong: after.wrong - before.wrong,
    afterwards: bad(later) - bad(after),
    leftRunning: web?.instances.filter((instance) => instance.release !== web.stable?.release).length ?? 0,
  };
}

export function rowText(row: BadReleaseRow): string {
  const { release, phase, seconds, exposedSeconds, totalSeconds, failedByRelease, lost, wrong, requests, reason } = row;
  return [
    release.name.padEnd(30),
    phase.padEnd(10),
    `${seconds.toFixed(1)} s`.padStart(8),
    (exposedSeconds === null ? '-' : `${exposedSeconds.toFixed(1)} s`).padStart(8),
    `${totalSeconds.toFixed(1)} s`.padStart(8),
    `${requests} requests, ${failedByRelease} failed, ${lost} lost, ${wrong} wrong, ${row.afterwards} afterwards, ${row.leftRunning} left`,
    reason ?? '',
  ].join('  ');
}
