/**
 * Faults put into the rollout on purpose, as edits of its sources. Each edit must match exactly once, so that a mutation that
 * has lost its target is noticed. The exploration must find every one.
 */
export interface Mutation {
  readonly name: string;
  readonly edits: readonly Edit[];
}

export interface Edit {
  /** Relative to `src/core/rollout/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const mutation = (name: string, file: string, find: string, replace: string, ...more: readonly Edit[]): Mutation => ({
  name,
  edits: [{ file, find, replace }, ...more],
});

const WITHOUT_CAPACITY: Edit = {
  file: 'steer.ts',
  find: 'carried(plan, leg.candidateReady, intendedWeight(draft, index))',
  replace: 'carried(plan, plan.instances, intendedWeight(draft, index))',
};

export const MUTATIONS: readonly Mutation[] = [
  mutation(
    'the weight is set before the candidate is scaled',
    'phases.ts',
    "if (isBusy(draft, 'scale') || !allReady(draft)) return false;",
    '',
    WITHOUT_CAPACITY,
  ),
  { name: 'the weight does not fall with the ready instances', edits: [WITHOUT_CAPACITY] },
  mutation(
    'a weight is raised while held',
    'steer.ts',
    '{ weight: Math.min(weight, leg.weight), mirror: mirror && leg.mirror }',
    '{ weight, mirror }',
  ),
  mutation(
    '101 % at the commit',
    'exposure.ts',
    "if (state.phase === 'committing') return 100;",
    "if (state.phase === 'committing') return 101;",
  ),
  mutation(
    'the undo skips the last leg',
    'revert.ts',
    'draft.plan.legs.map((_, index) => index).toReversed();',
    'draft.plan.legs.map((_, index) => index).slice(0, Math.max(1, draft.plan.legs.length - 1)).toReversed();',
  ),
  mutation(
    'the undo begins with the first leg',
    'revert.ts',
    'draft.plan.legs.map((_, index) => index).toReversed();',
    'draft.plan.legs.map((_, index) => index);',
  ),
  mutation(
    'the undo keeps waiting for what was under way',
    'revert.ts',
    '  forgetEffects(draft);\n  draft.holds = [];',
    '  draft.holds = [];',
  ),
  mutation(
    'the undo stops instances before the router has answered',
    'revert.ts',
    'if (legAt(draft, next).leg.routing !== null) return false;',
    'if (legAt(draft, next).leg.routing !== null) return leaveRouting(draft);',
  ),
  mutation(
    'an undo whose answer is lost is never asked for again',
    'revert.ts',
    '    askAgain(draft);\n',
    '    if (draft.requested.length < 0) askAgain(draft);\n',
  ),
  mutation(
    'a candidate that is gone waits for its turn in the undo',
    'revert.ts',
    'return undoDead(draft) || undoNextRoute(draft);',
    'return (draft.now < 0 && undoDead(draft)) || undoNextRoute(draft);',
  ),
  mutation(
    'commits with a leg that is not whole any more',
    'phases.ts',
    "if (draft.stage !== 'recording') return false;",
    "if (draft.stage !== 'recording' || draft.now > 0) return false;",
  ),
  mutation(
    'the old slot is stopped before the commit',
    'phases.ts',
    "        draft.stage = 'recording';\n",
    "        draft.stage = 'recording';\n        request(draft, 0, { kind: 'stop', slot: legAt(draft, 0).plan.stable?.slot ?? 'blue' });\n",
  ),
  mutation(
    'answers under an old lease are believed',
    'absorb.ts',
    "if (effect === undefined || epoch !== draft.epoch || effect.kind === 'commit') return false;",
    "if (effect === undefined || effect.kind === 'commit') return false;",
  ),
  mutation(
    'a commit is believed before it is in the journal',
    'absorb.ts',
    "if (effect === undefined || epoch !== draft.epoch || effect.kind === 'commit') return false;",
    'if (effect === undefined || epoch !== draft.epoch) return false;',
  ),
  mutation(
    'a second commit is taken',
    'absorb.ts',
    "if (event.epoch !== draft.epoch || outstanding(draft, event.id)?.kind !== 'commit') return false;",
    'if (event.epoch !== draft.epoch) return false;',
  ),
  mutation(
    'an effect that could not be asked for counts as done',
    'absorb.ts',
    'draft.retries.push({ effect, at: draft.now + delay, reason: event.reason });',
    "if (effect.kind === 'route') draft.retries.push({ effect, at: draft.now + delay, reason: event.reason });",
  ),
  mutation(
    'whoever takes over asks for nothing again',
    'absorb.ts',
    'for (const effect of Object.values(draft.effects)) reissue(draft, effect);',
    '',
  ),
  mutation(
    'a superseding release is ignored while committing',
    'absorb.ts',
    "if (isForward(draft)) giveUp(draft, { code: 'superseded'",
    "if (isForward(draft) && draft.phase !== 'committing') giveUp(draft, { code: 'superseded'",
  ),
  mutation(
    'an old slot that is being stopped is given away',
    'absorb.ts',
    "keepOldSlot && draft.stage !== 'stopping';",
    'keepOldSlot;',
  ),
  mutation(
    'checking has no deadline',
    'phases.ts',
    "enterPhase(draft, 'checking', 'working', draft.plan.deadlines.checkingMs);",
    "enterPhase(draft, 'checking', 'working', Infinity);",
  ),
  mutation(
    'the deadline of checking is forgotten when it comes',
    'absorb.ts',
    'else forwardDeadline(draft);',
    "else if (draft.phase !== 'checking') forwardDeadline(draft);",
  ),
  mutation(
    'a router that cannot be asked passes for too little traffic',
    'react.ts',
    "draft.stage === 'holding' && !isHeld(draft) && !isBusy(draft) && allReady(draft) && allRouted(draft);",
    "draft.stage === 'holding' && allReady(draft) && (isHeld(draft) || allRouted(draft) || isBusy(draft));",
  ),
  mutation(
    'promote skips readiness',
    'phases.ts',
    'return isBusy(draft) || !allReady(draft) ? false : enterChecking(draft);',
    "return isBusy(draft) || (!allReady(draft) && draft.hurry === 'no') ? false : enterChecking(draft);",
  ),
  mutation(
    'promote does not wait for the router',
    'phases.ts',
    '      if (!allRouted(draft)) return false;\n',
    "      if (!allRouted(draft) && draft.hurry === 'no') return false;\n",
  ),
  mutation(
    'the policy check is not waited for',
    'phases.ts',
    'if (isBusy(draft) || (draft.plan.approval && draft.approvedBy === null)) return false;',
    "if (isBusy(draft, 'reserve') || (draft.plan.approval && draft.approvedBy === null)) return false;",
  ),
  mutation(
    'the approval is not waited for',
    'phases.ts',
    'if (isBusy(draft) || (draft.plan.approval && draft.approvedBy === null)) return false;',
    'if (isBusy(draft)) return false;',
  ),
  mutation(
    'one leg that has been seen long enough moves the whole train',
    'phases.ts',
    'return activeLegs(draft).every((index) => {\n    const { plan, leg } = legAt(draft, index);\n    if (plan.stable',
    'return activeLegs(draft).some((index) => {\n    const { plan, leg } = legAt(draft, index);\n    if (plan.stable',
  ),
  mutation(
    'a leg that waits is in traffic with the first',
    'exposure.ts',
    'if (group === undefined || index > state.group) return 0;',
    'if (group === undefined) return 0;',
  ),
  mutation(
    'a worse verdict is not heard in the watch window',
    'react.ts',
    "if (leg.exposed && leg.verdict === 'worse') {",
    "if (leg.exposed && leg.verdict === 'worse' && draft.phase !== 'watching') {",
  ),
  mutation(
    'the old slot is stopped before the new one is called stable',
    'retire.ts',
    '  if (isBusy(draft)) return false;\n  switch (draft.stage) {',
    "  if (isBusy(draft) && draft.stage !== 'adopting' && draft.stage !== 'draining') return false;\n  switch (draft.stage) {",
  ),
  mutation(
    'what is enough for a fraction of a percent is rounded away',
    'exposure.ts',
    'if (ready >= Math.ceil((weight / 100) * leg.instances)) return weight;',
    'if (ready >= leg.instances) return weight;',
  ),
  mutation(
    'users come before copies',
    'phases.ts',
    'return isBusy(draft) ? false : enterMirroring(draft);',
    'return isBusy(draft) ? false : enterStep(draft, 0);',
  ),
  mutation(
    'users are on the candidate while it gets copies',
    'exposure.ts',
    '    default:\n      return 0;',
    "    default:\n      return state.phase === 'mirroring' && state.stage === 'holding' ? stepWeight(0) : 0;",
  ),
  mutation(
    'copies go on beside users',
    'exposure.ts',
    "(state.phase === 'stepping' || state.phase === 'switched') && state.stage === 'scaling' && isBeforeFirstWeight",
    "(state.phase === 'stepping' || state.phase === 'switched') && isBeforeFirstWeight",
  ),
  mutation(
    'a train copies requests of a service that has not agreed to it',
    'exposure.ts',
    '(leg.mirror ?? null) !== null && leg.stable !== null;',
    'leg.stable !== null;',
  ),
  mutation(
    'the undo leaves the copies in what the route is made of',
    'revert.ts',
    '  leg.routing = 0;\n  leg.mirror = false;',
    '  leg.routing = 0;',
  ),
  mutation(
    'copies go on to a candidate that is gone',
    'react.ts',
    '(leg.routing ?? 0) > 0 || leg.mirror;',
    '(leg.routing ?? 0) > 0;',
    {
      file: 'steer.ts',
      find: 'const mirror = leg.candidateReady > 0 && intendedMirror(draft, index);',
      replace: 'const mirror = intendedMirror(draft, index);',
    },
  ),
  mutation(
    'a verdict on copies ends them early',
    'phases.ts',
    "if (state.phase !== 'stepping' || state.legs[leg]?.verdict !== 'not-worse') return whole;",
    "if (state.phase === 'watching' || state.legs[leg]?.verdict !== 'not-worse') return whole;",
  ),
  mutation(
    'a verdict ends a step that has not baked',
    'phases.ts',
    'return Math.min(whole, state.plan.groups[state.group]?.steps[state.step]?.bakeMs ?? 0);',
    'return 0;',
  ),
];
