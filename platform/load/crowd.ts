import type { Random } from '../seed/random.ts';
import { languages } from '../seed/words.ts';
import { Account } from './account.ts';
import type { Asker } from './ask.ts';
import { Listening } from './listening.ts';
import { Making } from './making.ts';
import { actions, type Action, type LoadPlan } from './options.ts';
import { Pages } from './page.ts';
import { Rooms } from './rooms.ts';
import type { Clock, Tally } from './tally.ts';
import { KnownTracks } from './tracks.ts';

/** So many sign in at once at the start: Argon2id is costly by design. */
const signingInAtOnce = 4;

/** Things that wait for somebody to do them above which what is due is left out, and counted as not done. */
const waitingAtMost = 1_000;

/**
 * The people of a run. Each does one thing at a time, so that what somebody must see of his own is always known; who does the
 * next thing is drawn from those who have nothing to do. While everybody is busy it waits, and its latency counts from when it
 * was due.
 */
export class Crowd {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #asker: Asker;
  readonly #random: Random;
  readonly #listening: Listening;
  readonly #making: Making;
  readonly #pages: Pages;
  readonly #rooms: Rooms;
  readonly #idle: Account[] = [];
  readonly #waiting: ((account: Account) => void)[] = [];
  /** Idle or not. */
  #present = 0;
  #accounts = 0;

  constructor(plan: LoadPlan, clock: Clock, tally: Tally, asker: Asker, random: Random) {
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
    this.#asker = asker;
    this.#random = random.stream('crowd');
    const tracks = new KnownTracks(plan.seeded);
    this.#listening = new Listening(asker, tally, random.stream('listening'), tracks);
    this.#making = new Making(asker, random.stream('making'), tracks, plan.run);
    this.#pages = new Pages(asker);
    this.#rooms = new Rooms(asker, random.stream('rooms'), plan.seeded);
  }

  /** Registers everybody who is there from the start. */
  async signIn(): Promise<void> {
    let left = this.#plan.people;
    const some = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const account = this.#newAccount();
        if (!(await account.register(this.#random.pick(languages)))) continue;
        this.#present += 1;
        this.#idle.push(account);
      }
    };
    await Promise.all(Array.from({ length: signingInAtOnce }, some));
  }

  /** Lets somebody do the next thing; null when nobody is there, or too much waits already. Resolves when all about it is counted. */
  act(dueMs: number): Promise<void> | null {
    const action = this.#draw();
    if (action === 'register') return this.#join(dueMs);
    if (this.#present === 0 || this.#waiting.length >= waitingAtMost) return null;
    return this.#actAsNext(action, dueMs);
  }

  async #actAsNext(action: Exclude<Action, 'register'>, dueMs: number): Promise<void> {
    const [idle] = this.#idle.splice(this.#random.integer(this.#idle.length), 1);
    const account = idle ?? (await new Promise<Account>((resolve) => this.#waiting.push(resolve)));
    try {
      await this.#do(action, account, dueMs);
    } finally {
      this.#release(account);
    }
  }

  #release(account: Account): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(account);
    else next(account);
  }

  async #join(dueMs: number): Promise<void> {
    const account = this.#newAccount();
    if (!(await account.register(this.#random.pick(languages), dueMs))) return;
    // The crowd stays as big as it was: somebody who has nothing to do goes for everybody who comes.
    this.#present += 1 - this.#idle.splice(this.#random.integer(this.#idle.length), 1).length;
    this.#release(account);
  }

  async #do(action: Exclude<Action, 'register'>, account: Account, dueMs: number): Promise<void> {
    if (!account.signedIn && action !== 'log-in') {
      if (!(await account.logIn(dueMs))) return;
    }
    if (account.shouldRenew && action !== 'refresh') await account.refresh(dueMs);
    if (!account.signedIn && action !== 'log-in') return;
    switch (action) {
      case 'log-in':
        await account.logIn(dueMs);
        return;
      case 'refresh':
        if (await account.refresh(dueMs)) await account.me();
        return;
      case 'page':
        return this.#pages.visit(account, dueMs);
      case 'profile':
        return this.#making.profile(account, dueMs);
      case 'discover':
        return this.#listening.discover(account, dueMs);
      case 'search':
        return this.#listening.search(account, dueMs);
      case 'play':
        return this.#listening.play(account, dueMs);
      case 'history':
        return this.#listening.history(account, dueMs);
      case 'upload':
        return this.#making.upload(account, dueMs);
      case 'playlist':
        return this.#making.playlist(account, dueMs);
      case 'rooms':
        return this.#rooms.read(account, dueMs);
    }
  }

  #draw(): Action {
    const { mix } = this.#plan;
    let left = this.#random.fraction() * actions.reduce((sum, action) => sum + mix[action], 0);
    for (const action of actions) {
      left -= mix[action];
      if (left < 0) return action;
    }
    return 'discover';
  }

  #newAccount(): Account {
    this.#accounts += 1;
    return new Account(accountOf(this.#plan.run, 'listener', this.#accounts), this.#asker, this.#clock, this.#tally);
  }
}

/** Every other one uses an app, the others a browser. */
export function accountOf(run: string, role: string, number: number) {
  return {
    email: `${role}-${number}@${run}.invalid`,
    password: `${run} ${role} ${number}, long enough`,
    displayName: `${role} ${number} of ${run}`,
    native: number % 2 === 1,
  };
}
