import type { RestartPolicy } from '../spec/platform.ts';
import type { HealthVerdict } from './health.ts';
import { isCrashLooping, isStartDue, type ExitTimes } from './restart.ts';

/** What a slot shall be. `null` in place of it: empty. */
export interface SlotGoal {
  readonly release: string;
  readonly instances: number;
  readonly restart: RestartPolicy;
}

/** One instance as it is. */
export interface InstanceView {
  readonly id: string;
  readonly release: string;
  readonly createdAt: number;
  readonly exits: ExitTimes;
  /** Time that SIGTERM has before SIGKILL follows, in milliseconds. */
  readonly stopGraceMs: number;
  readonly life: InstanceLife;
}

export type InstanceLife =
  /** Nothing runs; a start may happen from `startAt` on. */
  | { readonly kind: 'down'; readonly startAt: number }
  | { readonly kind: 'up'; readonly verdict: HealthVerdict }
  /** Told to end at `since`; `forGood` when it shall not come back. */
  | { readonly kind: 'stopping'; readonly since: number; readonly killed: boolean; readonly forGood: boolean };

export type InstanceAction =
  | { readonly kind: 'create'; readonly release: string }
  | { readonly kind: 'launch'; readonly id: string }
  /** SIGTERM. With `forGood` false the instance is started again after it ended. */
  | { readonly kind: 'stop'; readonly id: string; readonly forGood: boolean }
  /** SIGKILL: the grace is over. */
  | { readonly kind: 'kill'; readonly id: string }
  /** An instance that is being restarted is not wanted any more. */
  | { readonly kind: 'let-go'; readonly id: string }
  | { readonly kind: 'forget'; readonly id: string };

export interface SupervisionPlan {
  readonly actions: readonly InstanceAction[];
  /** Next time at which the same view leads to other actions; null when only an event can. */
  readonly wakeAt: number | null;
}

/** Who stays when there are too many: the ready before the rest, the older before the younger. */
function byWorthKeeping(one: InstanceView, other: InstanceView): number {
  return worth(other) - worth(one) || one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1);
}

function worth(view: InstanceView): number {
  if (view.life.kind !== 'up') return view.life.kind === 'down' ? 1 : 0;
  return { ready: 5, unready: 4, starting: 3, failed: 2 }[view.life.verdict];
}

const isGoing = (view: InstanceView): boolean => view.life.kind === 'stopping' && view.life.forGood;

/** The difference between what a slot shall be and what it is, as actions; total and without side effects. */
export function supervise(goal: SlotGoal | null, observed: readonly InstanceView[], now: number): SupervisionPlan {
  const eligible = observed.filter((view) => view.release === goal?.release && !isGoing(view)).sort(byWorthKeeping);
  const kept = new Set(eligible.slice(0, goal?.instances ?? 0).map((view) => view.id));
  const actions: InstanceAction[] = [];
  const wakes: number[] = [];
  for (const view of observed) {
    const { id, life } = view;
    const wanted = kept.has(id);
    switch (life.kind) {
      case 'down':
        if (!wanted || goal === null) actions.push({ kind: 'forget', id });
        else if (isStartDue(life.startAt, goal.restart, now)) actions.push({ kind: 'launch', id });
        else wakes.push(life.startAt);
        break;
      case 'up':
        if (!wanted) actions.push({ kind: 'stop', id, forGood: true });
        else if (life.verdict === 'failed') actions.push({ kind: 'stop', id, forGood: false });
        break;
      case 'stopping':
        if (!wanted && !life.forGood) actions.push({ kind: 'let-go', id });
        if (life.killed) break;
        if (now >= life.since + view.stopGraceMs) actions.push({ kind: 'kill', id });
        else wakes.push(life.since + view.stopGraceMs);
        break;
    }
  }
  if (goal !== null) {
    for (let missing = goal.instances - kept.size; missing > 0; missing -= 1) {
      actions.push({ kind: 'create', release: goal.release });
    }
  }
  return { actions, wakeAt: wakes.length === 0 ? null : Math.min(...wakes) };
}

export type SupervisedState = 'starting' | 'ready' | 'unready' | 'backing-off' | 'crash-looping' | 'stopping';

/** The one word for how an instance is. A crash loop keeps its name, also while the next try runs, until the instance is ready. */
export function supervisedState(view: InstanceView, policy: RestartPolicy, now: number): SupervisedState {
  const { life } = view;
  if (life.kind === 'stopping' && life.forGood) return 'stopping';
  if (life.kind === 'up' && life.verdict === 'ready') return 'ready';
  if (isCrashLooping(view.exits, policy, now)) return 'crash-looping';
  if (life.kind === 'down') return view.exits.length === 0 ? 'starting' : 'backing-off';
  if (life.kind === 'stopping') return 'unready';
  return life.verdict === 'starting' ? 'starting' : 'unready';
}
