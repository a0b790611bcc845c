import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Ablated } from './ablation.ts';
import type { Outcome } from './simulate.ts';

/** Rollouts `from` to `to` (not included) of a cell. */
export interface Task {
  readonly kind: 'rollouts' | 'ablation';
  readonly cell: string;
  readonly from: number;
  readonly to: number;
}

export type Answer =
  | { readonly kind: 'rollouts'; readonly outcomes: readonly Outcome[] }
  | { readonly kind: 'ablation'; readonly ablated: readonly Ablated[] };

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const program = new URL(`./rollouts-program.${extension}`, import.meta.url);

/** Threads that simulate, one a core. What comes out depends on the seeds alone, not on who did what. */
export class Pool {
  readonly #workers: readonly Worker[];
  readonly #idle: Worker[];
  readonly #waiting: ((worker: Worker) => void)[] = [];
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#workers = Array.from({ length: availableParallelism() }, () => new Worker(program));
    this.#idle = [...this.#workers];
  }

  /** @throws what the worker threw, or the reason of the signal */
  async run(task: Task): Promise<Answer> {
    const worker = await this.#take();
    this.#signal.throwIfAborted();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const aborted = (): void => reject(this.#signal.reason as Error);
      const settle = (end: () => void): void => {
        worker.off('message', answered);
        worker.off('error', failed);
        this.#signal.removeEventListener('abort', aborted);
        end();
      };
      const answered = (answer: Answer): void => settle(() => resolve(answer));
      const failed = (error: Error): void => settle(() => reject(error));
      worker.on('message', answered);
      worker.on('error', failed);
      this.#signal.addEventListener('abort', aborted);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(task);
    });
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(worker);
    else next(worker);
    return answer;
  }

  async #take(): Promise<Worker> {
    const worker = this.#idle.pop();
    return worker ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
