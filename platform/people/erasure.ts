/**
 * The steps of erasing somebody, in this order. Log-in is refused first, and identity forgets last, so that what broke off in
 * between can be told apart from somebody new. Every step may be done again: it finds less to do.
 */
export const ERASURE_STEPS = ['disable', 'chat', 'files', 'api', 'cache', 'identity'] as const;
export type ErasureStep = (typeof ERASURE_STEPS)[number];

/**
 * - `running`: steps are being done
 * - `erased`: all were done
 * - `settled`: all were done once more when the last access token had ended, for what a request under way had still
 *   written; from now on the ledger holds nothing by which the person could be found
 */
export type ErasureState = 'running' | 'erased' | 'settled';

/** Does one step for one person. Idempotent; throws when it could not be done, and is called again later. */
export type DoStep = (step: ErasureStep, personId: string, signal: AbortSignal) => Promise<void>;

/** An erasure that this instance has the lease of. */
export interface LeasedErasure {
  readonly id: string;
  readonly personId: string;
  readonly state: 'running' | 'erased';
  /** steps that were done already, in this state */
  readonly done: ReadonlySet<ErasureStep>;
  /** each lease has a higher one: writes of an older one change nothing */
  readonly epoch: number;
}

/** The journal of erasures; in production a table of api's schema. */
export interface ErasureJournal {
  /** Takes the lease of one that is due and that nobody has; null when there is none. */
  take(): Promise<LeasedErasure | null>;
  /** Also renews the lease. @throws LeaseLost */
  stepDone(erasure: LeasedErasure, step: ErasureStep): Promise<void>;
  /** From running to erased, from erased to settled. @throws LeaseLost */
  finish(erasure: LeasedErasure): Promise<void>;
  /** Gives the lease back, to be taken again after a while that grows with each failure. */
  failed(erasure: LeasedErasure, step: ErasureStep): Promise<void>;
}

/** Another instance has taken over. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';

  constructor() {
    super('another instance goes on with this erasure');
  }
}

/** Around each step, for tests that end the process there. */
export interface StepHooks {
  before?(step: ErasureStep, state: ErasureState): void;
  /** done, and not yet written down */
  after?(step: ErasureStep, state: ErasureState): void;
  /** written down */
  noted?(step: ErasureStep, state: ErasureState): void;
}

export interface ErasureWorkerOptions {
  readonly journal: ErasureJournal;
  readonly doStep: DoStep;
  /** a step failed */
  readonly onFailure: (step: ErasureStep, error: unknown) => void;
  readonly onFinished: (state: 'erased' | 'settled') => void;
  readonly everyMs: number;
  readonly hooks?: StepHooks;
}

/** Goes on with every erasure that is due, whoever began it, until it is stopped. */
export class ErasureWorker {
  readonly #options: ErasureWorkerOptions;
  readonly #stopped = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #working: Promise<void> | null = null;

  constructor(options: ErasureWorkerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.wake(), options.everyMs);
    this.#timer.unref();
  }

  /** Something may be due now. */
  wake(): void {
    if (this.#stopped.signal.aborted) return;
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort(new Error('the service stops'));
    await this.#working;
  }

  async #work(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        const erasure = await this.#options.journal.take();
        if (erasure === null) return;
        await this.#goOn(erasure);
      } catch {
        return; // the journal is away: the next tick tries again
      }
    }
  }

  async #goOn(erasure: LeasedErasure): Promise<void> {
    const { journal, doStep, onFailure, onFinished, hooks } = this.#options;
    for (const step of ERASURE_STEPS) {
      if (erasure.done.has(step)) continue;
      hooks?.before?.(step, erasure.state);
      try {
        await doStep(step, erasure.personId, this.#stopped.signal);
      } catch (error) {
        if (!this.#stopped.signal.aborted) onFailure(step, error);
        return journal.failed(erasure, step);
      }
      hooks?.after?.(step, erasure.state);
      await journal.stepDone(erasure, step);
      hooks?.noted?.(step, erasure.state);
    }
    await journal.finish(erasure);
    onFinished(erasure.state === 'running' ? 'erased' : 'settled');
  }
}
