// A worker of bench-analysis: simulates what it is told to, and answers.
import { parentPort } from 'node:worker_threads';
import { ablate } from './ablation.ts';
import { CELLS } from './cells.ts';
import type { Answer, Task } from './pool.ts';
import { simulate } from './simulate.ts';

function work({ kind, cell: name, from, to }: Task): Answer {
  const cell = CELLS.find((one) => one.name === name);
  if (cell === undefined) throw new Error(`there is no cell ${name}`);
  const seeds = Array.from({ length: to - from }, (_, index) => `${name}/${from + index}`);
  const { constant } = cell;
  if (kind === 'rollouts') return { kind, outcomes: seeds.map((seed) => simulate(cell, seed)) };
  if (constant === null) throw new Error(`${name} has no constant rates`);
  return { kind, ablated: seeds.map((seed) => ablate(cell, constant, `ablation/${seed}`)) };
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.on('message', (task: Task) => parentPort?.postMessage(work(task)));
