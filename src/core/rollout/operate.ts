import type { Draft } from './draft.ts';
import { hold, release } from './holds.ts';
import type { Operation } from './operation.ts';
import { giveUp } from './react.ts';

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
      draft.hurry = operation.to === 'all' ? 'all' : 'step';
      release(draft, 'person', freshMs);
      release(draft, 'undecided', freshMs);
      return;
    case 'abort':
    case 'rollback':
      giveUp(draft, { code: 'aborted', leg: null, text: `aborted by ${by}` });
      return;
    case 'retry':
      draft.retries = draft.retries.map((retry) => ({ ...retry, at: draft.now }));
      return;
    case 'approve':
      draft.approvedBy = by;
      return;
  }
}
