import { askAgain, type Draft } from './draft.ts';
import { hold, release } from './holds.ts';
import type { Operation } from './operation.ts';
import { giveUp } from './react.ts';
import type { Phase } from './state.ts';

/** Where `promote next` has something to skip; before, the next wait has not begun, and only `all` skips it. */
const WAITS_FOR_TIME: ReadonlySet<Phase> = new Set(['mirroring', 'stepping', 'switched', 'watching']);

/** Carries out an operation that `refusal` has allowed in this phase. */
export function operate(draft: Draft, operation: Operation, by: string): void {
  const freshMs = draft.plan.deadlines.steppingMs;
  switch (operation.kind) {
    case 'pause':
      hold(draft, 'person', `paused by ${by}`);
      return;
    case 'resume':
      release(draft, 'person', freshMs);
      release(draft, 'undecided', freshMs);
      return;
    case 'promote':
      if (operation.to === 'all') draft.hurry = 'all';
      else if (draft.hurry === 'no' && WAITS_FOR_TIME.has(draft.phase)) draft.hurry = 'step';
      release(draft, 'person', freshMs);
      release(draft, 'undecided', freshMs);
      return;
    case 'abort':
    case 'rollback':
      giveUp(draft, { code: 'aborted', leg: null, text: `aborted by ${by}` });
      return;
    case 'retry':
      draft.retries = draft.retries.map((retry) => ({ ...retry, at: draft.now }));
      // An answer may have been lost: what is under way is asked for once more, too.
      askAgain(draft);
      return;
    case 'approve':
      draft.approvedBy = by;
      return;
  }
}
