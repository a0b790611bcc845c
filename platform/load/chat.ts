import { z } from 'zod';
import type { Random } from '../seed/random.ts';
import { remarks } from '../seed/words.ts';
import { Account } from './account.ts';
import { Arrivals } from './arrivals.ts';
import { readJson, type Asker } from './ask.ts';
import { RoomLedger, type Received } from './chat-ledger.ts';
import { ChatMember } from './chat-member.ts';
import { accountOf } from './crowd.ts';
import type { LoadPlan } from './options.ts';
import type { Clock, Tally } from './tally.ts';

const tickMs = 20;
const renewEveryMs = 20_000;
const settleMs = 15_000;
const pageSize = 200;

const opened = z.object({ id: z.string().min(1) });
const page = z.object({
  messages: z.array(z.object({ seq: z.number().int(), id: z.string(), author: z.string(), text: z.string() })),
});

interface Room {
  readonly id: string;
  readonly ledger: RoomLedger;
  readonly members: readonly ChatMember[];
  readonly reader: Account;
}

/** The chat of a run: rooms of its own, everybody in them connected all the time, and a ledger of what each must see. */
export class Chat {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #asker: Asker;
  readonly #random: Random;
  readonly #rooms: Room[] = [];
  readonly #stop = new AbortController();
  #running: readonly Promise<void>[] = [];
  #saying: NodeJS.Timeout | undefined;
  readonly #renewals = new Set<Promise<void>>();

  constructor(plan: LoadPlan, clock: Clock, tally: Tally, asker: Asker, random: Random) {
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
    this.#asker = asker;
    this.#random = random.stream('chat');
  }

  /** Registers the members and opens the rooms. What cannot be opened has been counted and is left out. */
  async open(): Promise<void> {
    for (let number = 1; number <= this.#plan.rooms; number += 1) {
      const accounts = Array.from({ length: this.#plan.members }, (_, index) => {
        const who = accountOf(this.#plan.run, `member-${number}`, index + 1);
        return new Account(who, this.#asker, this.#clock, this.#tally);
      });
      for (const account of accounts) await account.register('en');
      const signedIn = accounts.filter((account) => account.signedIn);
      const [reader] = signedIn;
      if (reader === undefined) continue;
      const room = await this.#asker.ask({
        operation: 'chat',
        method: 'POST',
        path: '/chat/v1/rooms',
        json: { name: `room ${number} of ${this.#plan.run}` },
        expect: [200, 201],
        as: reader,
        signedIn: true,
        read: (answer) => readJson(opened, answer),
      });
      if (room === null) continue;
      const ledger = new RoomLedger();
      const { id } = room.value;
      const members = signedIn.map(
        (account) => new ChatMember({ id, ledger }, account, this.#plan, this.#clock, this.#tally),
      );
      this.#rooms.push({ id, ledger, members, reader });
    }
  }

  /** Connects everybody, and lets them talk from now on. */
  start(nowMs: number): void {
    const members = this.#rooms.flatMap((room) => room.members);
    this.#running = members.map((member) => member.run(this.#stop.signal));
    if (members.length === 0) return;
    const arrivals = new Arrivals(this.#random.stream('arrivals'), this.#plan.messagesPerSecond, nowMs, Infinity);
    const renewals = new Arrivals(
      this.#random.stream('renewals'),
      (members.length * 1_000) / renewEveryMs,
      nowMs,
      Infinity,
    );
    let number = 0;
    this.#saying = setInterval(() => {
      const now = this.#clock.monotonicMs();
      for (const _ of arrivals.takeDue(now)) {
        number += 1;
        const text = `${number}: ${this.#random.pick(remarks)}`;
        this.#random.pick(members).say(this.#random.uuid(), text);
      }
      for (const _ of renewals.takeDue(now)) {
        const renewal = this.#random
          .pick(members)
          .renew()
          .finally(() => this.#renewals.delete(renewal));
        this.#renewals.add(renewal);
      }
      for (const member of members) member.checkWaiting();
    }, tickMs);
  }

  /**
   * Lets nobody say more, waits until everybody has seen everything or for 15 s, compares, and reads each room's history.
   *
   * @returns what could not be looked for; null when all could be
   */
  async finish(): Promise<string | null> {
    clearInterval(this.#saying);
    await Promise.all(this.#renewals);
    const deadline = this.#clock.monotonicMs() + settleMs;
    const settled = (): boolean =>
      this.#rooms.every(
        ({ ledger, members }) => ledger.settled && members.every((member) => member.unacknowledged === 0),
      );
    while (!settled() && this.#clock.monotonicMs() < deadline) {
      for (const { members } of this.#rooms) for (const member of members) member.checkWaiting();
      await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
    this.#stop.abort();
    await Promise.all(this.#running);
    const problems: string[] = [];
    for (const room of this.#rooms) {
      for (const { member, seq } of room.ledger.missing()) {
        this.#tally.chat.missing += 1;
        this.#tally.wrong('chat', null, `${member} never saw message ${seq}`);
      }
      const problem = await this.#compareHistory(room);
      if (problem !== null) problems.push(problem);
    }
    return problems[0] ?? null;
  }

  async #compareHistory({ id, ledger, reader }: Room): Promise<string | null> {
    const history: Received[] = [];
    for (;;) {
      const after = history.at(-1)?.seq ?? 0;
      const asked = await this.#asker.ask({
        operation: 'chat',
        method: 'GET',
        path: `/chat/v1/rooms/${id}/messages?after=${after}&limit=${pageSize}`,
        expect: [200],
        as: reader,
        signedIn: true,
        read: (answer) => readJson(page, answer).messages,
      });
      if (asked === null) return `the history of ${id} could not be read`;
      history.push(...asked.value);
      if (asked.value.length === 0) break;
    }
    const { problems, missing } = ledger.compareHistory(history);
    for (const problem of problems) this.#tally.wrong('chat', null, `history: ${problem}`);
    for (const seq of missing) {
      this.#tally.chat.missing += 1;
      this.#tally.wrong('chat', null, `the history has no message ${seq}`);
    }
    return null;
  }
}
