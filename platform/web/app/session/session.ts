import { readGrant } from '../contracts.ts';
import { Failure, failureFrom, failureOf, unreachable } from '../failure.ts';
import { isFresh, RENEW_BEFORE_MS, type Grant, type SessionState } from './grant.ts';
import type { Tabs } from './tabs.ts';

const RETRY_MS = 5000;

export interface SessionParts {
  readonly fetch: typeof fetch;
  readonly tabs: Tabs;
  readonly now: () => number;
  /** Whether somebody logged in here before: a reminder, not a secret. Spares everybody else a request that must fail. */
  readonly reminder: { get(): boolean; set(present: boolean): void };
}

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly displayName: string;
  readonly language: string;
}

/**
 * Who is logged in, and the access token of the moment. It is renewed before it expires, by one request however many callers
 * wait for it, and by one tab for all tabs. Only an answer that says so ends a session; a failed network does not.
 */
export class Session {
  readonly #parts: SessionParts;
  readonly #listeners = new Set<() => void>();
  #state: SessionState = { kind: 'starting' };
  #grant: Grant | null = null;
  #renewing: Promise<Grant> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts endings, so that an answer to an ended session opens no new one. */
  #generation = 0;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    parts.tabs.onMessage((message) => {
      if (message.kind === 'grant') {
        if (message.grant.expiresAt > (this.#grant?.expiresAt ?? 0)) this.#take(message.grant);
      } else if (this.#grant?.personId === message.personId) {
        this.#forget(false);
      }
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Goes on with the session of an earlier visit, if there is one. Never throws. */
  async start(): Promise<void> {
    if (this.#state.kind !== 'starting') return;
    if (!this.#parts.reminder.get()) {
      this.#forget(false);
      return;
    }
    try {
      await this.#renewed(null);
    } catch {
      // Refused: already out. Unreachable: out for now, and the reminder makes the next visit try again.
      if (this.#grant === null) this.#become({ kind: 'out', ended: false });
    }
  }

  async logIn(email: string, password: string): Promise<void> {
    await this.#open(await this.#post('/auth/v1/login', { email, password }));
  }

  async register(registration: Registration): Promise<void> {
    await this.#open(await this.#post('/auth/v1/register', registration));
  }

  /** Ends the session in every tab; here also when the server cannot be reached, which is then thrown. */
  async logOut(): Promise<void> {
    try {
      await this.#post('/auth/v1/logout', {});
    } finally {
      this.closed();
    }
  }

  /** The account is no more, or has been left: forgets it in every tab. */
  closed(): void {
    const personId = this.#grant?.personId;
    this.#forget(false);
    if (personId !== undefined) this.#parts.tabs.tell({ kind: 'out', personId });
  }

  /**
   * An access token that is good for another minute.
   *
   * @param refused one that a service did not take: a newer one is given
   * @throws Failure when logged out, or when identity cannot be reached
   */
  async token(refused: string | null = null): Promise<string> {
    const grant = this.#grant;
    if (this.#state.kind === 'out') throw new Failure(401, 'logged-out');
    if (isFresh(grant, this.#parts.now()) && grant.accessToken !== refused) return grant.accessToken;
    return (await this.#renewed(refused)).accessToken;
  }

  /** Stops timers; for tests. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#parts.tabs.close();
  }

  #renewed(refused: string | null): Promise<Grant> {
    this.#renewing ??= this.#parts.tabs
      .alone(async () => {
        // Another tab may have renewed while this one waited for its turn.
        const told = this.#grant;
        if (isFresh(told, this.#parts.now()) && told.accessToken !== refused) return told;
        const asked = this.#generation;
        const answer = await this.#post('/auth/v1/refresh', {});
        // Logged out while the answer was under way.
        if (asked !== this.#generation) throw new Failure(401, 'logged-out');
        return this.#open(answer);
      })
      .catch((error: unknown) => {
        if (failureOf(error).status === 401) this.#forget(this.#state.kind === 'in');
        throw error;
      })
      .finally(() => {
        this.#renewing = null;
      });
    return this.#renewing;
  }

  /** Reads an answer with tokens, and shares it with the other tabs. */
  async #open(response: Response): Promise<Grant> {
    const answer = readGrant(await response.json());
    const grant: Grant = {
      accessToken: answer.accessToken,
      personId: answer.person.id,
      expiresAt: this.#parts.now() + answer.expiresIn * 1000,
    };
    this.#take(grant);
    this.#parts.tabs.tell({ kind: 'grant', grant });
    return grant;
  }

  #take(grant: Grant): void {
    this.#grant = grant;
    this.#parts.reminder.set(true);
    this.#renewAt(grant.expiresAt - RENEW_BEFORE_MS);
    if (this.#state.kind !== 'in' || this.#state.personId !== grant.personId) {
      this.#become({ kind: 'in', personId: grant.personId });
    } else {
      // The same person with a newer token: the chat wants to know.
      this.#become({ ...this.#state });
    }
  }

  #renewAt(time: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.token().catch((error: unknown) => {
          // Away: tried again until it is there or says no. Whoever needs a token meanwhile asks by itself.
          if (failureOf(error).status !== 401) this.#renewAt(this.#parts.now() + RETRY_MS);
        });
      },
      Math.max(0, time - this.#parts.now()),
    );
  }

  #forget(ended: boolean): void {
    clearTimeout(this.#timer);
    this.#generation += 1;
    this.#grant = null;
    this.#parts.reminder.set(false);
    this.#become({ kind: 'out', ended });
  }

  #become(state: SessionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  async #post(path: string, body: unknown): Promise<Response> {
    let response: Response;
    try {
      response = await this.#parts.fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        credentials: 'same-origin',
      });
    } catch (error) {
      throw unreachable(error);
    }
    if (!response.ok) throw await failureFrom(response);
    return response;
  }
}
