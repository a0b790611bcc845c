import { z } from 'zod';
import type { Caller } from '../kit/call.ts';
import type { Members } from './members.ts';

const profile = z.object({ displayName: z.string().trim().min(1).max(200) });

/** For somebody whose profile has no name yet, or could not be asked for on their first visit. */
const NOBODY_YET = 'Somebody';
const WITHIN_MS = 1000;

export interface NamesOptions {
  /** calls api; null without one */
  readonly api: Caller | null;
  readonly members: Members;
}

/** What people are called: their profile at api says, and what it said last is kept here for when api is away. */
export class Names {
  readonly #options: NamesOptions;

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  /**
   * Lets somebody in under the name of their profile. Whoever was here before does not wait for api.
   * @param token the person's own access token
   * @returns false when the person was erased
   */
  async admit(person: string, token: string): Promise<boolean> {
    const { members } = this.#options;
    const known = await members.nameOf(person);
    if (known === null) return members.admit(person, (await this.#ask(person, token)) ?? NOBODY_YET);
    void this.#rename(person, token, known);
    return true;
  }

  async #rename(person: string, token: string, known: string): Promise<void> {
    const name = await this.#ask(person, token);
    // Somebody erased meanwhile is refused there; a database that is away leaves the name as it is.
    if (name !== null && name !== known) await this.#options.members.admit(person, name).catch(() => false);
  }

  async #ask(person: string, token: string): Promise<string | null> {
    if (this.#options.api === null) return null;
    try {
      const answer = await this.#options.api(`/api/v1/people/${person}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(WITHIN_MS),
      });
      if (!answer.ok) {
        await answer.body?.cancel();
        return null;
      }
      return profile.parse(await answer.json()).displayName;
    } catch {
      return null; // api is away or says something else: the name can wait
    }
  }
}
