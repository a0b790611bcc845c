import type { Release, ReleaseId } from '../core/release/release.ts';
import { isFinal, type DeploymentState } from '../core/rollout/state.ts';
import { steadyTime, type Clock } from '../engine/clock.ts';
import type { EnvironmentParts, Releases } from '../engine/environment.ts';
import { WORLD } from '../engine/entries.ts';
import { recover } from '../engine/recover.ts';
import { startEngine, type RunningEngine } from '../engine/start.ts';
import { ArtifactChangedError, SmokeTestFailedError, StoreUnavailableError } from '../errors.ts';
import type { EvidenceStore } from '../store/evidence-store.ts';
import type { Journal } from '../store/journal.ts';
import { routerOver, runtimeOver } from './drivers.ts';
import type { SimulatedPlatform } from './platform.ts';
import { SimulatedOutage, type Process } from './process.ts';
import type { Report } from './report.ts';
import type { Timeline } from './timeline.ts';
import type { Place } from './world.ts';

export interface ControlPlaneParts {
  readonly name: string;
  readonly epoch: number;
  readonly timeline: Timeline;
  readonly report: Report;
  readonly platform: SimulatedPlatform;
  readonly places: ReadonlyMap<string, Place>;
  readonly openJournal: (process: Process) => Journal;
  /** Outlives processes, as the journal does; unlike that it may be written by whoever lost the lease. */
  readonly evidence: EvidenceStore;
  /** UTC milliseconds, as wrong as the machine's clock is. */
  readonly wall: () => number;
  /** What it tells people, once it is in the journal. */
  readonly onChange: (state: DeploymentState) => void;
  /** It has thrown where nobody catches: a real one ends there. */
  readonly onThrow: (process: Process, error: unknown) => void;
}

/** Time that a migration or a smoke test takes when nothing holds it up. */
const WORK_MS = 200;

/** A control plane: the real engine over the simulated world. It can die at any moment. */
export class ControlPlane implements Process {
  readonly name: string;
  readonly epoch: number;
  readonly #parts: ControlPlaneParts;
  readonly #abort = new AbortController();
  alive = true;
  /** It has gone through its start and serves people. */
  ready = false;
  running: RunningEngine | null = null;

  constructor(parts: ControlPlaneParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.epoch = parts.epoch;
  }

  /** As the server does it: the lease, the journal, the environments, and on from there. */
  async start(): Promise<void> {
    const { places, report, openJournal } = this.#parts;
    const journal = openJournal(this);
    // The lease is taken in the journal first, so that whoever held it before can write no more while this one reads.
    journal.append(
      [{ time: this.#parts.wall(), stream: WORLD, kind: 'lease-taken', body: {}, epoch: this.epoch }],
      'durable',
    );
    const ledger = recover(journal);
    this.running = startEngine({
      journal,
      evidence: this.#parts.evidence,
      ledger,
      clock: this.#clock(),
      epoch: this.epoch,
      releases: this.#releases(),
      isUnavailable: (error) => error instanceof SimulatedOutage || error instanceof StoreUnavailableError,
      onChange: (state) => {
        if (!this.alive) return;
        report.trace(this.name, () => `${state.plan.id} ${inWords(state)}`);
        this.#parts.onChange(state);
      },
      onAlarm: (deployment, severity, message) => {
        if (this.alive) report.trace(this.name, () => `ALARM ${severity} ${deployment ?? ''} ${message}`);
      },
    });
    for (const place of places.values()) {
      place.machine.takeOver(this.epoch);
      await this.running.open(this.#environment(place), this.#abort.signal);
    }
    this.running.resume();
    this.ready = true;
    report.trace(this.name, () => `ready, epoch ${this.epoch}`);
  }

  /** Ends as it should, leaving everything to the next one. */
  close(): void {
    this.running?.close();
    this.alive = false;
  }

  #clock(): Clock {
    const { timeline, wall, onThrow } = this.#parts;
    return {
      now: steadyTime(wall, () => timeline.now),
      after: (delayMs, callback) =>
        timeline.after(delayMs, () => {
          if (!this.alive) return;
          try {
            callback();
          } catch (error) {
            onThrow(this, error);
          }
        }),
    };
  }

  #releases(): Releases {
    const { platform, timeline } = this.#parts;
    const get = (id: ReleaseId): Release => {
      const found = platform.byId.get(id);
      if (found === undefined) throw new RangeError(`no release ${id}`);
      return found.release;
    };
    return {
      get,
      artifactOf: (id) => platform.byId.get(id)?.release.artifact ?? null,
      unpack: (release, signal) => {
        signal.throwIfAborted();
        const intact = platform.byId.get(release.id)?.behaviour.artifact !== 'changed';
        return new Promise((resolve, reject) => {
          timeline.after(1, () => {
            if (!this.alive) return;
            if (intact) resolve(`/releases/${release.id}`);
            else reject(new ArtifactChangedError(release.artifact, 'server.js', 'is not as built', 'Build it again.'));
          });
        });
      },
    };
  }

  #environment(place: Place): EnvironmentParts {
    const { timeline, platform } = this.#parts;
    const { declared, toOthers } = place;
    const after = (delayMs: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        const cancel = timeline.after(delayMs, resolve);
        signal.addEventListener('abort', () => {
          cancel();
          reject(signal.reason as Error);
        });
      });
    const work = async (what: string, signal: AbortSignal, ends: 'well' | 'badly' | 'never', failure: () => Error) => {
      await after(WORK_MS, signal);
      await toOthers.call(this, what, signal, () => undefined);
      if (ends === 'never') await after(Number.MAX_SAFE_INTEGER, signal);
      if (ends === 'badly') throw failure();
    };
    return {
      declared,
      runtime: guarded(runtimeOver(place.toMachine, place.machine, this), this, this.#parts.onThrow),
      router: routerOver(place.toFront, place.front, this),
      configuration: {
        variables: (service, signal) => toOthers.call(this, `secrets of ${service.name}`, signal, () => ({})),
        attachments: async () => ({ folders: [], secrets: [] }),
      },
      migrations: {
        check: async () => undefined,
        apply: async (service, release, _dir, signal) => {
          const ends = { works: 'well', fails: 'badly', hangs: 'never' } as const;
          const how = platform.byId.get(release.id)?.behaviour.migration ?? 'works';
          await work(`migrate ${service.name}`, signal, ends[how], () => new Error('migration 7 fails'));
          return [];
        },
      },
      smoke: {
        run: async (check, target, signal) => {
          const slots = [...place.machine.slots()].filter(({ ref }) => ref.service === target.service);
          // The preview address leads to the candidate: the youngest slot of the service.
          const youngest = slots.sort((a, b) => bornLast(b) - bornLast(a))[0];
          const how = platform.byId.get(youngest?.release ?? '')?.behaviour.smoke ?? 'passes';
          const ends = { passes: 'well', fails: 'badly', hangs: 'never' } as const;
          await work(
            `smoke test ${check.name}`,
            signal,
            ends[how],
            () => new SmokeTestFailedError(check.name, '200', '500'),
          );
        },
      },
      internalPort: () => 1,
      ensureAddress: async () => undefined,
    };
  }
}

const bornLast = (slot: { readonly instances: ReadonlyMap<string, { readonly order: number }> }): number =>
  Math.max(0, ...[...slot.instances.values()].map(({ order }) => order));

/** What a listener throws, it throws where nobody catches. */
function guarded(
  runtime: EnvironmentParts['runtime'],
  process: Process,
  onThrow: ControlPlaneParts['onThrow'],
): EnvironmentParts['runtime'] {
  return {
    ...runtime,
    subscribe: (listener) =>
      runtime.subscribe((status) => {
        try {
          listener(status);
        } catch (error) {
          onThrow(process, error);
        }
      }),
  };
}

function inWords(state: DeploymentState): string {
  const legs = state.legs
    .map(
      (leg) =>
        `${leg.weight}${leg.routing === null ? '' : `>${leg.routing}`} % ready ${leg.candidateReady}/${leg.wanted}`,
    )
    .join(', ');
  const held = state.holds.length === 0 ? '' : ` held: ${state.holds.map(({ reason }) => reason).join(' ')}`;
  const why = state.reason === null ? '' : ` because ${state.reason.code}: ${state.reason.text}`;
  return isFinal(state.phase)
    ? `${state.phase}${why}`
    : `${state.phase}/${state.stage} group ${state.group} step ${state.step} [${legs}]${held}${why}`;
}
