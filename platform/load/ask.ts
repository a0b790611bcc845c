import type { Agent, IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import { classifyAnswer, classifyFailure, releaseOf } from './classify.ts';
import { exchange } from './exchange.ts';
import type { LoadPlan, Operation } from './options.ts';
import type { Clock, Tally } from './tally.ts';

/** A whole answer, as it came. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** Somebody who is signed in, or not. */
export interface Credentials {
  /** Headers that say who it is. */
  headers(): Readonly<Record<string, string>>;
  /** Told of every answer, for its cookies. */
  answered(headers: IncomingHttpHeaders): void;
  /** Told of a 401 to a good session. */
  loggedOut(): void;
}

export interface Step<T> {
  readonly operation: Operation;
  /** When it was due; left out, it is due when it is sent. */
  readonly dueMs?: number;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: Buffer;
  /** Statuses that the answer may have. */
  readonly expect: readonly number[];
  readonly as: Credentials | null;
  /** True when a 401 means that a session was lost. */
  readonly signedIn: boolean;
  /** Takes what is wanted out of the answer. @throws Mismatch when it is not as it must be */
  readonly read: (answer: Answer) => T;
}

/** An answer that is not what it must be. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** What came of a step: `null` when there is no good answer, which has been counted then. */
export type Asked<T> = { readonly value: T } | null;

/** Sends one request after another, each once, and counts what becomes of it. */
export class Asker {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #agent: Agent;

  /** @param agent gives up idle connections before any server does, so that every reset counts */
  constructor(plan: LoadPlan, clock: Clock, tally: Tally, agent: Agent) {
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
    this.#agent = agent;
  }

  async ask<T>(step: Step<T>): Promise<Asked<T>> {
    const { operation } = step;
    const json = step.json === undefined ? null : Buffer.from(JSON.stringify(step.json));
    this.#tally.sent(operation);
    const dueMs = step.dueMs ?? this.#clock.monotonicMs();
    const result = await exchange({
      agent: this.#agent,
      address: this.#plan.target,
      method: step.method,
      path: step.path,
      headers: {
        host: this.#plan.hostHeader,
        ...(json === null ? {} : { 'content-type': 'application/json' }),
        ...step.as?.headers(),
        ...step.headers,
      },
      body: step.body ?? json,
      timeoutMs: this.#plan.timeoutMs,
    });
    const what = `${step.method} ${step.path.replace(/\?.*/, '?…')}`;
    if (result.kind === 'failure') {
      const release = result.headers === null ? null : releaseOf(result.headers);
      const kind = classifyFailure(result.code, result.phase);
      this.#tally.lost(operation, kind, release, `${what}: ${result.detail}`);
      return null;
    }
    const { status, headers, bytes } = result;
    const release = releaseOf(headers);
    this.#tally.answered(operation, release, this.#clock.monotonicMs() - dueMs);
    step.as?.answered(headers);
    const verdict = classifyAnswer(status, headers, step.expect, step.signedIn);
    switch (verdict.verdict) {
      case 'lost':
        this.#tally.lost(operation, verdict.kind, release, `${what}: ${verdict.detail}`);
        return null;
      case 'failed-by-release':
        this.#tally.failedByRelease(operation, verdict.release);
        return null;
      case 'logged-out':
        this.#tally.loggedOut(operation, release, `${what}: ${verdict.detail}: ${start(bytes)}`);
        step.as?.loggedOut();
        return null;
      case 'unexpected':
        this.#tally.wrong(operation, release, `${what}: ${verdict.detail}: ${start(bytes)}`);
        return null;
      case 'expected':
        break;
    }
    try {
      const value = step.read({ status, headers, bytes });
      this.#tally.ok(operation);
      return { value };
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      this.#tally.wrong(operation, release, `${what}: ${error.message}`);
      return null;
    }
  }
}

/** The body as what a schema says. @throws Mismatch when it is not */
export function readJson<Schema extends z.ZodType>(schema: Schema, answer: Answer): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(answer.bytes.toString('utf8'));
  } catch {
    throw new Mismatch(`not JSON: ${start(answer.bytes)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Mismatch(`${issues.slice(0, 3).join('; ')} in ${start(answer.bytes)}`);
}

/** @throws Mismatch unless both are the same */
export function same(what: string, found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Mismatch(`${what} is ${String(found)} instead of ${String(wanted)}`);
}

/** @throws Mismatch with where they differ, unless both are the same bytes */
export function sameBytes(what: string, found: Buffer, wanted: Buffer): void {
  if (found.equals(wanted)) return;
  if (found.length !== wanted.length) throw new Mismatch(`${what}: ${found.length} bytes instead of ${wanted.length}`);
  const at = found.findIndex((byte, index) => byte !== wanted[index]);
  throw new Mismatch(`${what}: another byte at ${at} of ${wanted.length}`);
}

export const nothing = (): void => {};

function start(bytes: Buffer): string {
  return bytes.subarray(0, 160).toString('utf8');
}
