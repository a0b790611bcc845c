import type { MigrationProgress } from '../../drivers/resource/migrations.ts';
import { migrationProgressInWords } from './migrations-view.ts';

/** Batches are many and small: the log has one of them in so many milliseconds. */
const LOG_EVERY_MS = 1_000;

/** How far the migrations of deployments are that are under way, for whoever watches them, and for the log. */
export class MigrationProgressBook {
  readonly #now = new Map<string, string>();
  readonly #log: (line: string) => void;
  readonly #clock: () => number;

  /** @param clock milliseconds */
  constructor(log: (line: string) => void, clock: () => number) {
    this.#log = log;
    this.#clock = clock;
  }

  /** What is being done for a service now, in words; null: nothing. */
  find(environment: string, service: string): string | null {
    return this.#now.get(`${environment} ${service}`) ?? null;
  }

  /** Follows one run of migrations; `end` it, however it ends. */
  follow(environment: string, service: string) {
    const key = `${environment} ${service}`;
    let logged = Number.NEGATIVE_INFINITY;
    return {
      tell: (progress: MigrationProgress): void => {
        const text = migrationProgressInWords(progress);
        this.#now.set(key, text);
        if (progress.kind === 'batch' && this.#clock() - logged < LOG_EVERY_MS) return;
        logged = this.#clock();
        this.#log(`${environment}: ${service}: ${text}`);
      },
      end: (): void => void this.#now.delete(key),
    };
  }
}
