import { allReady, isBusy, legAt, request, type Draft } from './draft.ts';
import { clockStopped, hold, isHeld, release } from './holds.ts';
import { allRouted, isSuspected } from './phases.ts';
import { refuse, revert } from './revert.ts';
import type { EndReason } from './state.ts';

const PHASE_BEFORE_START: ReadonlySet<string> = new Set(['pending', 'preparing']);

/** Ends or takes back, whichever the phase calls for. Only for phases before the commit point. */
export function giveUp(draft: Draft, reason: EndReason): void {
  if (PHASE_BEFORE_START.has(draft.phase)) refuse(draft, reason);
  else revert(draft, reason);
}

/** What the facts demand at once, whatever the phase waits for. Returns whether the deployment is being taken back. */
export function react(draft: Draft): boolean {
  const reason = demandsRevert(draft);
  if (reason !== null) {
    revert(draft, reason);
    return true;
  }
  holdOnIncident(draft);
  holdOnWeakStable(draft);
  return false;
}

function demandsRevert(draft: Draft): EndReason | null {
  for (const index of draft.legs.keys()) {
    const { plan, leg } = legAt(draft, index);
    if (leg.started && leg.candidateFault !== null) {
      return { code: 'crashed', leg: index, text: `${plan.service}: ${leg.candidateFault}` };
    }
    if (leg.exposed && leg.verdict === 'worse') {
      return {
        code: 'worse',
        leg: index,
        text: `${plan.service}: ${leg.evidence?.summary ?? 'the candidate is worse than stable'}`,
      };
    }
    const hasTraffic = leg.weight > 0 || (leg.routing ?? 0) > 0 || leg.mirror;
    if (leg.exposed && hasTraffic && leg.candidateReady === 0) {
      return {
        code: 'not-ready',
        leg: index,
        text: `${plan.service}: no candidate instance is ready any more${leg.candidateNote === null ? '' : ` (${leg.candidateNote})`}`,
      };
    }
  }
  return null;
}

function holdOnIncident(draft: Draft): void {
  const broken = draft.legs.findIndex((leg) => leg.exposed && leg.stableBroken);
  if (broken === -1) {
    release(draft, 'incident', 0);
    return;
  }
  const text = `${legAt(draft, broken).plan.service}: stable breaks its own limits too, so this is not the release's fault, nor a proof that it is good`;
  if (hold(draft, 'incident', text)) request(draft, broken, { kind: 'alarm', severity: 'P0', message: text });
}

function holdOnWeakStable(draft: Draft): void {
  const weak = draft.plan.legs.findIndex((plan, index) => {
    const ready = draft.legs[index]?.stableReady ?? null;
    return plan.stable !== null && ready !== null && ready < plan.minReady;
  });
  if (weak === -1) {
    release(draft, 'stable-weak', 0);
    return;
  }
  const { plan, leg } = legAt(draft, weak);
  const text = `${plan.service}: stable has ${leg.stableReady ?? 0} ready instances, needs ${plan.minReady}`;
  if (hold(draft, 'stable-weak', text)) request(draft, weak, { kind: 'alarm', severity: 'P1', message: text });
}

/** The phase's deadline has passed before the commit point. */
export function forwardDeadline(draft: Draft): void {
  if (clockStopped(draft)) {
    giveUp(draft, {
      code: 'deadline',
      leg: null,
      text: `paused for too long: ${draft.holds.map((held) => held.text).join('; ')}`,
    });
    return;
  }
  // Everything is as the phase wants it but for the counts. A router that cannot be asked is no lack of traffic.
  const seenTooLittle =
    draft.stage === 'holding' && !isHeld(draft) && !isBusy(draft) && allReady(draft) && allRouted(draft);
  if (seenTooLittle && draft.plan.idle === 'pause') {
    const why = draft.legs.some((leg) => leg.exposed && isSuspected(leg))
      ? 'much speaks against it, but not enough to take it back'
      : 'too little traffic for a verdict';
    const text = `${why}; \`veza promote\` goes on, \`veza abort\` takes it back`;
    if (hold(draft, 'undecided', text))
      request(draft, 0, { kind: 'alarm', severity: 'P2', message: `${draft.plan.id}: ${text}` });
    return;
  }
  giveUp(draft, deadlineReason(draft));
}

function deadlineReason(draft: Draft): EndReason {
  const retry = draft.retries[0];
  if (retry !== undefined) return { code: 'deadline', leg: retry.effect.leg, text: `${draft.phase}: ${retry.reason}` };
  const late = draft.legs.findIndex((leg) => leg.started && leg.candidateReady < leg.wanted);
  if (late !== -1) {
    const { plan, leg } = legAt(draft, late);
    return {
      code: 'not-ready',
      leg: late,
      text: `${plan.service}: ${leg.candidateReady} of ${leg.wanted} instances ready in time${leg.candidateNote === null ? '' : ` (${leg.candidateNote})`}`,
    };
  }
  const [held] = draft.holds;
  if (held !== undefined) return { code: 'deadline', leg: null, text: `${draft.phase}: ${held.text}` };
  const waiting = Object.values(draft.effects)[0];
  return {
    code: 'deadline',
    leg: waiting?.leg ?? null,
    text: `${draft.phase} took too long${waiting === undefined ? '' : ` (${waiting.kind})`}`,
  };
}

/** An effect that the world refuses for good. */
export function refusedEffect(draft: Draft, kind: string, leg: number, text: string): void {
  if (draft.phase === 'reverting' || draft.phase === 'stuck' || draft.phase === 'retiring') return;
  const named = `${legAt(draft, leg).plan.service}: ${text}`;
  const codes: Readonly<Record<string, EndReason['code']>> = {
    'check-policy': 'gate-refused',
    'verify-artifact': 'gate-refused',
    reserve: 'gate-refused',
    migrate: 'migration-failed',
    smoke: 'smoke-failed',
  };
  giveUp(draft, { code: codes[kind] ?? 'failed', leg, text: named });
}
