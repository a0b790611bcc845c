import { judgeOf } from '../../src/core/analysis/judge.ts';
import { settingsOf } from '../../src/core/analysis/settings.ts';
import type { Rule } from '../../src/core/analysis/verdict.ts';
import type { HardLimits } from '../../src/core/spec/platform.ts';
import type { DurationMs, Percent } from '../../src/core/units/quantities.ts';
import { Random } from '../../src/sim/random.ts';
import type { Cell } from './cells.ts';
import { ArgoRollouts, Flagger, type Peer } from './peers.ts';
import { Rollout } from './traffic.ts';

/** The defaults of a declaration. */
const LIMITS: HardLimits = { minSuccessPercent: 99 as Percent, maxP99Ms: 500 as DurationMs, minRequests: 100 };

/** When somebody took the candidate back, and what it had done by then; until the end of the rollout if nobody did. */
export interface Ending {
  /** Seconds since the exposure at the end of the second that decided; null: never. */
  readonly at: number | null;
  /** Requests of the candidate, and those that failed. */
  readonly requests: number;
  readonly failed: number;
}

export interface Outcome {
  /** Seconds since the exposure. */
  readonly faultAt: number;
  readonly ours: Ending;
  readonly rule: Rule | null;
  /** Seconds until the judge first said "not worse", looked at every ten; null: it never did before it ended. */
  readonly shownAt: number | null;
  readonly flagger: Ending;
  readonly argo: Ending;
}

class Watched {
  at: number | null = null;
  requests = 0;
  failed = 0;
  count(at: number, requests: number, failed: number, over: boolean): void {
    this.requests += requests;
    this.failed += failed;
    if (over) this.at = at;
  }
  get ending(): Ending {
    return { at: this.at, requests: this.requests, failed: this.failed };
  }
}

const WINDOW = 60;
const LOOK_EVERY = 10;

/**
 * One rollout through the real judge and past its peers; all see the same requests.
 *
 * Where only errors are simulated the judge observes every second, and is asked for its verdict in those seconds in which
 * `worse` can come up: evidence only grows in a second with an error of the candidate, and the limits want three of them in a
 * minute. It is asked every ten seconds besides, for "not worse". `askAlways` asks every second; a test holds that nothing changes.
 */
export function simulate(cell: Cell, seed: string, askAlways = cell.latency !== null): Outcome {
  const rollout = new Rollout(cell, new Random(seed));
  const judge = judgeOf({ analysis: settingsOf(cell.word), limits: LIMITS });
  let state = judge.start(rollout.past());
  const ours = new Watched();
  let rule: Rule | null = null;
  let shownAt: number | null = null;
  const peers: readonly (readonly [Peer, Watched])[] = [
    [new Flagger(), new Watched()],
    [new ArgoRollouts(), new Watched()],
  ];
  const recent = new Uint32Array(WINDOW);
  let errorsInWindow = 0;
  for (let at = 0; at < cell.seconds; at += 1) {
    const second = rollout.second(at);
    const { candidate } = second.arms;
    const { requests, serverErrors: failed } = candidate;
    if (ours.at === null) {
      state = judge.observe(state, second);
      errorsInWindow += failed - (recent[at % WINDOW] ?? 0);
      recent[at % WINDOW] = failed;
      const looks = (at + 1) % LOOK_EVERY === 0;
      const verdict =
        askAlways || looks || failed > 0 || errorsInWindow >= 3 ? judge.judge(state).verdict : 'undecided';
      if (verdict === 'not-worse' && looks) shownAt ??= at + 1;
      ours.count(at + 1, requests, failed, verdict === 'worse');
      if (verdict === 'worse') rule = judge.explain(state).rule ?? null;
    }
    for (const [peer, watched] of peers)
      if (watched.at === null) watched.count(at + 1, requests, failed, peer.observe(candidate));
    if (ours.at !== null && peers.every(([, watched]) => watched.at !== null)) break;
  }
  const [flagger, argo] = peers;
  return {
    faultAt: rollout.faultAt,
    ours: ours.ending,
    rule,
    shownAt,
    flagger: flagger?.[1].ending ?? ours.ending,
    argo: argo?.[1].ending ?? ours.ending,
  };
}
