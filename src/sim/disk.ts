import { ENDED, WORLD, type JournaledEvent } from '../engine/entries.ts';
import { FencedError, StoreUnavailableError } from '../errors.ts';
import type { Durability, Entry, Head, Journal, NewEntry } from '../store/journal.ts';
import { MemoryJournal } from '../store/memory-journal.ts';
import { Death, type Process } from './process.ts';
import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Roughness } from './scenario.ts';
import type { Timeline } from './timeline.ts';

export interface DiskParts {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly roughness: Roughness;
  /** Kills the process; called before the death is thrown. */
  readonly kill: (process: Process, why: string) => void;
  /** Crashes may be too close together to be of interest. */
  readonly mayCrash: () => boolean;
  readonly onRecorded: (entries: readonly Entry[]) => void;
  /** What the journal holds has changed by something else than an append. */
  readonly onReplaced: (journal: Journal) => void;
  /** The nth append of the run (from 1) is where the process dies, before or after it is recorded; null: by chance. */
  readonly crashAt: { readonly append: number; readonly when: 'before' | 'after' } | null;
}

/** Where the journal is kept. It survives processes; a power cut takes what was not durable. */
export class Disk {
  readonly #parts: DiskParts;
  #journal = new MemoryJournal();
  /** Refused entries whose fate is open: after a crash they may turn up. */
  #ghosts: readonly NewEntry[] | null = null;
  #downUntil = 0;
  #appends = 0;

  constructor(parts: DiskParts) {
    this.#parts = parts;
  }

  get journal(): MemoryJournal {
    return this.#journal;
  }

  goDown(forMs: number): void {
    this.#downUntil = Math.max(this.#downUntil, this.#parts.timeline.now + forMs);
  }

  /** The journal as a process sees it. */
  openFor(process: Process): Journal {
    return {
      append: (entries, durability) => this.#append(process, entries, durability),
      read: (afterSeq, limit) => this.#journal.read(afterSeq, limit),
      head: (): Head => this.#journal.head(),
      verify: () => this.#journal.verify(),
      close: () => undefined,
    };
  }

  /** The machine of the store loses its power: of what was not durable a part is gone, and what was refused may have been written. */
  powerCut(): void {
    const { random, report, onReplaced } = this.#parts;
    const { seq } = this.#journal.head();
    const kept = random.int(this.#journal.durableSeq, seq);
    report.counts.powerCuts += 1;
    report.trace('disk', () => `power cut: keeps ${kept} of ${seq} entries`);
    this.#journal = this.#journal.afterPowerCut(kept);
    if (kept !== seq) onReplaced(this.#journal);
    // A later write follows what was before it: without all of that it cannot be there.
    if (kept === seq) this.#revealGhosts();
    this.#ghosts = null;
  }

  #revealGhosts(): void {
    const ghosts = this.#ghosts;
    if (ghosts === null || !this.#parts.random.chance(0.5)) return;
    this.#parts.onRecorded(this.#journal.append(ghosts, 'durable'));
    this.#parts.report.trace('disk', () => `a refused append turns up: ${kinds(ghosts)}`);
  }

  #append(process: Process, entries: readonly NewEntry[], durability: Durability): readonly Entry[] {
    const { timeline, random, report, roughness, kill, mayCrash } = this.#parts;
    if (!process.alive) throw new Death(`${process.name} is dead`);
    this.#appends += 1;
    const isRough = timeline.now < roughness.horizonMs;
    const crash = this.#crash(isRough && mayCrash(), entries);
    if (crash === 'before') {
      kill(process, `crash before append ${this.#appends} (${kinds(entries)})`);
      throw new Death('before an append');
    }
    const isTorn = isRough && random.chance(roughness.tornAppend);
    if (timeline.now < this.#downUntil || isTorn) {
      // As after a failed fsync: nothing was recorded as far as the process can see.
      // Who has lost the lease writes nothing at all, not even by halves.
      const isFenced = entries.some(({ epoch }) => epoch < this.#journal.head().epoch);
      if (isTorn && !isFenced) this.#ghosts = entries;
      report.trace(process.name, () => `append refused (${isTorn ? 'torn' : 'down'}): ${kinds(entries)}`);
      throw new StoreUnavailableError('(simulated)', isTorn ? 'failing device' : 'no space', 'Wait.');
    }
    const recorded = this.#record(process, entries, durability);
    if (crash === 'after') {
      kill(process, `crash after append ${this.#appends} (${kinds(entries)})`);
      throw new Death('after an append');
    }
    if (isRough && mayCrash() && random.chance(roughness.crashPerAppend * roughness.crashSoon * weightOf(entries))) {
      const soon = this.#appends;
      timeline.after(random.int(0, random.pick([2, 8, 60])), () =>
        kill(process, `crash soon after append ${soon} (${kinds(entries)})`),
      );
    }
    return recorded;
  }

  #record(process: Process, entries: readonly NewEntry[], durability: Durability): readonly Entry[] {
    const { report, kill, onRecorded } = this.#parts;
    try {
      const recorded = this.#journal.append(entries, durability);
      this.#ghosts = null;
      report.counts.entries += recorded.length;
      for (const entry of recorded) {
        report.trace(process.name, () => `journal ${entry.seq} ${entry.stream} ${inWords(entry)} ${durability}`);
      }
      onRecorded(recorded);
      return recorded;
    } catch (error) {
      if (error instanceof FencedError) {
        report.counts.fenced += 1;
        kill(process, `fenced off: ${error.message}`);
      }
      throw error;
    }
  }

  #crash(isRough: boolean, entries: readonly NewEntry[]): 'before' | 'after' | null {
    const { random, roughness, crashAt } = this.#parts;
    if (crashAt !== null && crashAt.append === this.#appends) return crashAt.when;
    const likely = roughness.crashPerAppend * (1 - roughness.crashSoon) * weightOf(entries);
    if (!isRough || !random.chance(likely)) return null;
    return random.pick(['before', 'after']);
  }
}

/** Crashes are likelier where something begins or ends for good: there are few such moments in a run. */
const weightOf = (entries: readonly NewEntry[]): number =>
  entries.some(({ kind }) => TURNING_POINTS.has(kind)) ? 8 : 1;
const TURNING_POINTS: ReadonlySet<string> = new Set([
  'requested',
  'admitted',
  'committed',
  'took-over',
  'superseded',
  ENDED,
]);

const kinds = (entries: readonly NewEntry[]): string =>
  entries.map(({ stream, kind }) => `${stream} ${kind}`).join(', ');

/** The part of an entry that a reader of a trace wants. */
function inWords(entry: Entry): string {
  if (entry.stream === WORLD || entry.kind === ENDED) return entry.kind;
  const { event, requests } = entry.body as unknown as JournaledEvent;
  const {
    plan: _plan,
    evidence: _evidence,
    legs: _legs,
    type,
    epoch: _epoch,
    ...rest
  } = event as Record<string, unknown>;
  const asked = requests.length === 0 ? '' : ` -> ${requests.map(({ id, kind }) => `${kind} ${id}`).join(', ')}`;
  return `${String(type)} ${JSON.stringify(rest)}${asked}`;
}
