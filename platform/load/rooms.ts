import { z } from 'zod';
import { makeCatalogue, type SeedMessage } from '../seed/catalogue.ts';
import type { Random } from '../seed/random.ts';
import type { Account } from './account.ts';
import { Mismatch, readJson, same, type Asker } from './ask.ts';
import type { LoadPlan } from './options.ts';

const roomList = z.object({ rooms: z.array(z.object({ id: z.uuid(), name: z.string() })) });
const history = z.object({
  messages: z.array(z.object({ seq: z.number().int(), id: z.uuid().nullable(), text: z.string() })),
  last: z.number().int(),
});

/** Reads what was said in rooms: without a gap, and as it was said where that is known. */
export class Rooms {
  readonly #asker: Asker;
  readonly #random: Random;
  readonly #known: ReadonlyMap<string, SeedMessage>;

  constructor(asker: Asker, random: Random, seeded: LoadPlan['seeded']) {
    this.#asker = asker;
    this.#random = random;
    const messages = seeded === null ? [] : makeCatalogue(seeded.size, seeded.seed).messages;
    this.#known = new Map(messages.map((message) => [`${message.room.id} ${message.seq}`, message]));
  }

  async read(account: Account, dueMs: number): Promise<void> {
    const get = { operation: 'rooms', method: 'GET', expect: [200], as: account, signedIn: true } as const;
    const listed = await this.#asker.ask({
      ...get,
      dueMs,
      path: '/chat/v1/rooms?limit=200',
      read: (answer) => readJson(roomList, answer).rooms,
    });
    if (listed === null || listed.value.length === 0) return;
    const { id } = this.#random.pick(listed.value);
    await this.#asker.ask({
      ...get,
      path: `/chat/v1/rooms/${id}/messages?after=0&limit=50`,
      read: (answer) => {
        const { messages, last } = readJson(history, answer);
        // What is said between both reads is there already.
        if (messages.length < Math.min(50, last)) throw new Mismatch(`${messages.length} messages of ${last}`);
        for (const [index, { seq, text }] of messages.entries()) {
          same('number of the message', seq, index + 1);
          const known = this.#known.get(`${id} ${seq}`);
          if (known !== undefined && known.text !== text) throw new Mismatch(`message ${seq} has another text`);
        }
      },
    });
  }
}
