import type { DeploymentView } from '../../api/schemas.ts';
import type { Replay } from '../../core/analysis/replay.ts';
import { errorsOf } from '../../core/analysis/traffic-minute.ts';
import type { Arm } from '../../core/slot.ts';
import type { MirrorSecond } from '../../core/traffic.ts';
import { listText, reasonText } from '../render/deployment.ts';
import { countText, durationText, percentText, plural } from '../render/numbers.ts';

/** What both arms answered while the candidate had users. */
export interface Exposure {
  /** UTC seconds of the first and behind the last second with a request of a user on the candidate. */
  readonly from: number;
  readonly to: number;
  readonly totals: Readonly<Record<Arm, { readonly requests: number; readonly failed: number }>>;
}

/** Null when no user was on the candidate. */
export function exposureOf({ seconds }: Replay): Exposure | null {
  const exposed = seconds.filter(({ seen }) => seen.traffic.arms.candidate.requests > 0);
  const [first, last] = [exposed[0], exposed.at(-1)];
  if (first === undefined || last === undefined) return null;
  const [from, to] = [first.seen.traffic.second, last.seen.traffic.second + 1];
  const within = seconds.filter(({ seen }) => seen.traffic.second >= from && seen.traffic.second < to);
  const totalsOf = (arm: Arm): { requests: number; failed: number } => ({
    requests: within.reduce((sum, { seen }) => sum + seen.traffic.arms[arm].requests, 0),
    failed: within.reduce((sum, { seen }) => sum + errorsOf(seen.traffic.arms[arm]), 0),
  });
  return { from, to, totals: { stable: totalsOf('stable'), candidate: totalsOf('candidate') } };
}

export type Outcome = 'back' | 'live' | 'refused' | 'active' | 'stuck';

export function outcomeOf(view: DeploymentView): Outcome {
  if (view.committedAt !== null || view.phase === 'succeeded') return 'live';
  if (view.phase === 'reverted' || view.phase === 'reverting') return 'back';
  return view.phase === 'refused' || view.phase === 'stuck' ? view.phase : 'active';
}

/** What happened, in one sentence. @param replays of the legs, in their order; null where nothing is kept */
export function headline(view: DeploymentView, replays: readonly (Replay | null)[]): string {
  const services = listText(view.legs.map(({ service }) => service));
  const [was, is] = view.legs.length === 1 ? ['was', 'is'] : ['were', 'are'];
  const all = view.legs.map(({ service }, index) => {
    const replay = replays[index] ?? null;
    const found = replay !== null && replay.worseAt !== null ? replay.seconds[replay.worseAt] : undefined;
    return { service, replay, found, exposure: replay === null ? null : exposureOf(replay) };
  });
  switch (outcomeOf(view)) {
    case 'back': {
      const going = view.phase === 'reverting' ? `${is} being taken back` : `${was} taken back`;
      const worse = all.find(({ found }) => found !== undefined);
      const why = `${services} ${going}: ${sentence(reasonText(view))}`;
      // A person or a crash may have been first, whatever the evidence said.
      if (worse?.found === undefined || (view.reason !== null && view.reason.code !== 'worse')) return why;
      if (worse.exposure === null) {
        const copied = copies(worse.replay);
        return copied === null ? why : `${services} ${going} before any user was on the new release: ${copied}.`;
      }
      const after = worse.found.seen.traffic.second + 1 - worse.exposure.from;
      const by = all.length > 1 ? `${worse.service}: ` : '';
      return `${services} ${going} ${durationText(after * 1_000)} after the first user: ${by}${comparison(worse.exposure)}.`;
    }
    case 'live': {
      const sum = (of: (totals: Exposure['totals']) => number): number =>
        all.reduce((total, { exposure }) => total + (exposure === null ? 0 : of(exposure.totals)), 0);
      const candidate = { requests: sum((one) => one.candidate.requests), failed: sum((one) => one.candidate.failed) };
      const stable = { requests: sum((one) => one.stable.requests), failed: sum((one) => one.stable.failed) };
      const took = view.committedAt === null ? '' : ` after ${durationText(view.committedAt - view.startedAt)}`;
      if (candidate.requests === 0) return `${services} ${is} live${took}.`;
      return `${services} ${is} live${took}: ${countText(candidate.failed)} of ${plural(candidate.requests, 'request')} to the new release failed until then (${shareOf(candidate)}), ${countText(stable.failed)} of ${countText(stable.requests)} beside it (${shareOf(stable)}).`;
    }
    case 'refused':
      return `${services} ${was} refused before anything was started: ${sentence(reasonText(view))}`;
    case 'stuck':
      return `${services} cannot be taken back yet: ${sentence(reasonText(view))}`;
    case 'active':
      return `${services} ${is} on the way (${view.phase}): ${sentence(view.waitsFor === null ? view.summary : `waits for ${view.waitsFor}`)}`;
  }
}

const shareOf = ({ requests, failed }: { readonly requests: number; readonly failed: number }): string =>
  percentText(requests === 0 ? null : (100 * failed) / requests);

function comparison({ totals: { candidate, stable } }: Exposure): string {
  if (candidate.failed === 0)
    return `none of its ${plural(candidate.requests, 'request')} failed, but it was worse otherwise`;
  return `${countText(candidate.failed)} of its ${plural(candidate.requests, 'request')} failed (${shareOf(candidate)}), ${countText(stable.failed)} of ${countText(stable.requests)} beside it (${shareOf(stable)})`;
}

function copies(replayed: Replay | null): string | null {
  const mirrors = (replayed?.seconds ?? []).flatMap(({ seen }) => seen.traffic.mirror ?? []);
  const sum = (of: (mirror: MirrorSecond) => number): number =>
    mirrors.reduce((total, mirror) => total + of(mirror), 0);
  const [pairs, candidate, stable] = [
    sum((one) => one.pairs),
    sum((one) => one.candidateErrors),
    sum((one) => one.stableErrors),
  ];
  if (pairs === 0 || candidate === 0) return null;
  return `it failed ${countText(candidate)} of ${plural(pairs, 'copied request')} (${percentText((100 * candidate) / pairs)}), stable ${countText(stable)} of the same`;
}

const sentence = (text: string): string => `${text.replace(/[.\s]+$/, '')}.`;
