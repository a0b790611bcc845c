import type { Arm } from '../../../core/slot.ts';
import type { Journey } from '../../../core/spec/platform.ts';
import { askBothArms, countAnswer, inTrouble, type ArmAnswer } from '../arm-answers.ts';
import type { JourneyFailure, MetricAnswer, MetricContext, MetricScope, MetricSourceDriver } from '../metric.ts';
import { runJourney, type JourneyEnd } from './run-journey.ts';

/** Looked at this often, in milliseconds: what begins, begins with a question. */
const LOOK_MS = 1_000;
const KEPT_FAILURES = 20;

interface Course {
  readonly journey: Journey;
  /** UTC milliseconds at which its last run began. */
  begunAt: number | null;
  running: boolean;
  /** Runs that have begun: which instance is next. */
  runs: number;
}

/** Runs and failed runs of both arms. */
interface Counts {
  runs: number;
  failed: Record<Arm, number>;
}

/**
 * Synthetic users, where there is too little traffic to compare: each declared journey is run at its own rhythm against one ready instance
 * of each arm, round about, on both arms at once. A run of a journey is one count, an event is one that failed. A run counts when both arms
 * have ended theirs, so that a slow arm is compared over as many as the other; the next one begins no earlier.
 */
export class Journeys implements MetricSourceDriver {
  readonly everyMs: number;
  readonly rhythmMs: number;
  readonly #metric: string;
  readonly #context: MetricContext;
  readonly #courses: readonly Course[];
  readonly #failures: JourneyFailure[] = [];
  #counts: Counts = noCounts();

  constructor(metric: string, journeys: readonly Journey[], context: MetricContext) {
    this.#metric = metric;
    this.#context = context;
    this.#courses = journeys.map((journey) => ({ journey, begunAt: null, running: false, runs: 0 }));
    const rhythms = journeys.map(({ everyMs }) => everyMs);
    this.everyMs = Math.min(LOOK_MS, ...rhythms);
    this.rhythmMs = Math.max(this.everyMs, ...rhythms);
  }

  /** What has been counted since it was asked before. Begins what is due, and waits for nothing. */
  async ask(scope: MetricScope, signal: AbortSignal): Promise<MetricAnswer> {
    signal.throwIfAborted();
    this.#context.signal.throwIfAborted();
    const { runs, failed } = this.#counts;
    this.#counts = noCounts();
    const missing = (['stable', 'candidate'] as const).filter((arm) => scope.arms[arm].endpoints.length === 0);
    if (missing.length === 0)
      for (const course of this.#courses) if (this.#isDue(course)) void this.#run(course, scope);
    return askBothArms(this.#metric, (arm) => {
      const trouble = `journeys wait: no ready instance of ${missing.join(' and ')}`;
      // What has been counted before that is still told.
      const answer: ArmAnswer = missing.length > 0 && runs === 0 ? inTrouble(trouble) : countAnswer(failed[arm], runs);
      return Promise.resolve(answer);
    });
  }

  failures(): readonly JourneyFailure[] {
    return [...this.#failures];
  }

  #isDue({ journey, begunAt, running }: Course): boolean {
    if (running) return false;
    if (begunAt === null) return true;
    const passed = this.#context.now() - begunAt;
    // A clock that was set back says nothing: better one run too early than none for an hour.
    return passed >= journey.everyMs || passed < 0;
  }

  async #run(course: Course, scope: MetricScope): Promise<void> {
    const at = this.#context.now();
    course.begunAt = at;
    course.running = true;
    const run = course.runs;
    course.runs += 1;
    try {
      const ends = await Promise.all(
        (['stable', 'candidate'] as const).map((arm) => this.#runOn(arm, course.journey, run, scope)),
      );
      this.#counts.runs += 1;
      for (const { arm, instance, end } of ends)
        if (end !== null) this.#fail(arm, { at, instance, journey: course.journey.name, ...end });
    } catch {
      // Only when nobody asks any more: then nothing is counted.
    } finally {
      course.running = false;
    }
  }

  async #runOn(
    arm: Arm,
    journey: Journey,
    run: number,
    scope: MetricScope,
  ): Promise<{ readonly arm: Arm; readonly instance: string; readonly end: JourneyEnd | null }> {
    const { endpoints } = scope.arms[arm];
    const endpoint = endpoints[run % endpoints.length];
    if (endpoint === undefined) throw new Error(`no instance of ${arm} to run ${journey.name} against`);
    const end = await runJourney(journey, endpoint, this.#context.now, this.#context.signal);
    return { arm, instance: endpoint.id, end };
  }

  #fail(arm: Arm, failure: Omit<JourneyFailure, 'arm'>): void {
    this.#counts.failed[arm] += 1;
    this.#failures.push({ ...failure, arm });
    if (this.#failures.length > KEPT_FAILURES) this.#failures.shift();
  }
}

const noCounts = (): Counts => ({ runs: 0, failed: { stable: 0, candidate: 0 } });
