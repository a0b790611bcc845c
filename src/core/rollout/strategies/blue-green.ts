import type { Shaping } from './shape.ts';

/** Everything is started, then all traffic moves at once. With a holdback it is a canary of one step. */
export const blueGreen: Shaping = (declared) => ({
  mirror: null,
  steps: [],
  holdback: declared.kind === 'blue-green' ? declared.holdback : 0,
});
