import { setTimeout as sleep } from 'node:timers/promises';
import type { EventView } from '../../src/api/schemas.ts';
import type { BenchPlatform } from '../machine/platform.ts';
import { program, type Fault } from './faults.ts';
import type { Users } from './users.ts';

/** What became of one release. */
export interface Outcome {
  readonly kind: string;
  readonly takenBack: boolean;
  readonly phase: string;
  readonly reason: string;
  /** From the first weight to stable at 100 %; to the commit, when it went through. */
  readonly seconds: number;
  /** Of the candidate, while it had traffic. */
  readonly requests: number;
  readonly failed: number;
  /** Requests that the router had to answer, or nobody: a candidate that dies or hangs. */
  readonly unanswered: number;
}

const MINUTE = 60_000;
/** After so long the router answers for an instance. */
export const ANSWER_TIMEOUT_MS = 10_000;

/** One service of the platform: its releases follow one another, its users never stop. */
export class Lane {
  readonly service: string;
  readonly #platform: BenchPlatform;
  readonly #users: Users;
  #version = 0;

  constructor(service: string, platform: BenchPlatform, users: Users) {
    this.service = service;
    this.#platform = platform;
    this.#users = users;
  }

  /** Builds a release, deploys it and sees what becomes of it. A good one is what the next is compared with. */
  async ship(kind: string, fault: Fault, signal: AbortSignal): Promise<Outcome> {
    this.#version += 1;
    const version = `${this.service}-${this.#version}`;
    const files = { [`${this.service}/server.mjs`]: program(version, fault) };
    const releases = await this.#platform.build(`${version}: ${kind}`, files, [this.service], signal);
    this.#users.take();
    this.#users.takeLost();
    const { view, events } = await this.#platform.deploy(releases.get(this.service) ?? '', signal, 30 * MINUTE);
    // Who still waits for an instance that hangs will be told so by the router.
    if (fault.hangs === true) await sleep(ANSWER_TIMEOUT_MS + 1_000, undefined, { signal });
    const byVersion = this.#users.take();
    const own = byVersion.get(version) ?? { requests: 0, failed: 0 };
    const first = exposedAt(events);
    const end = view.committedAt ?? stableAt(events) ?? view.endedAt ?? first;
    return {
      kind,
      takenBack: view.committedAt === null,
      phase: view.phase,
      reason: view.reason?.text ?? '',
      seconds: (end - first) / 1_000,
      requests: own.requests,
      failed: own.failed,
      unanswered: (byVersion.get('nobody')?.requests ?? 0) + this.#users.takeLost(),
    };
  }
}

const routed = (events: readonly EventView[]): readonly EventView[] =>
  events.filter(({ type, text }) => type === 'effect-done' && / % to the candidate/.test(text));

/** UTC milliseconds at which the first share of users was on the candidate. */
const exposedAt = (events: readonly EventView[]): number =>
  routed(events).find(({ text }) => !text.startsWith('0 %'))?.at ?? Number.NaN;

/** UTC milliseconds at which nobody was any more. */
const stableAt = (events: readonly EventView[]): number | null =>
  routed(events).findLast(({ text }) => text.startsWith('0 %'))?.at ?? null;
