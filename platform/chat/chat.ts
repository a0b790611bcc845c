import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { WebSocket } from 'ws';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import type { TokenVerifier } from '../tokens/verifier.ts';
import { Connection, CONNECTION_LIMITS, type ConnectionLimits, type ConnectionParts } from './connection.ts';
import type { FanOut } from './fan-out.ts';
import { Feeds } from './feeds.ts';
import { CLOSE } from './frames.ts';
import { Members } from './members.ts';
import type { Saying, SayingOutcome } from './message.ts';
import { Presence, PRESENCE_TIMES, type PresenceTimes } from './presence.ts';
import { PresenceStore } from './presence-store.ts';
import { RateLimit, type Rate } from './rate-limit.ts';
import { Rooms } from './rooms.ts';
import { SayQueue } from './say-queue.ts';
import type { ChatTables } from './schema.ts';

/** Times in milliseconds. */
export interface ChatLimits {
  readonly connection: ConnectionLimits;
  /** messages of a person by this instance */
  readonly rate: Rate;
  readonly connectionsOfPerson: number;
  readonly connections: number;
  readonly presence: PresenceTimes;
  readonly lookEveryMs: number;
  readonly tickEveryMs: number;
}

export const CHAT_LIMITS: ChatLimits = {
  connection: CONNECTION_LIMITS,
  rate: { burst: 40, perSecond: 10 },
  connectionsOfPerson: 20,
  connections: 20_000,
  presence: PRESENCE_TIMES,
  lookEveryMs: 1000,
  tickEveryMs: 1000,
};

export interface ChatOptions {
  readonly db: Kysely<ChatTables>;
  readonly fanOut: FanOut;
  readonly verifier: TokenVerifier;
  /** lets somebody in under their name; false when they were erased */
  readonly admit: ConnectionParts['admit'];
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: () => number;
  readonly limits: ChatLimits;
}

/** The chat of one instance: its connections, and what they share. */
export class Chat {
  readonly rooms: Rooms;
  readonly members: Members;
  readonly #options: ChatOptions;
  readonly #feeds: Feeds;
  readonly #presence: Presence;
  readonly #connections = new Set<Connection>();
  readonly #connectionsOf = new Map<string, number>();
  readonly #parts: ConnectionParts;
  readonly #timers: NodeJS.Timeout[];
  #beating: Promise<void> | null = null;
  #draining = false;

  constructor(options: ChatOptions) {
    this.#options = options;
    const { db, fanOut, limits } = options;
    this.rooms = new Rooms(db);
    this.members = new Members(db);
    this.#feeds = new Feeds({
      rooms: this.rooms,
      fanOut,
      lookEveryMs: limits.lookEveryMs,
      onPresence: (room) => void this.#presence.look([room]).catch(() => undefined), // the next beat looks again
    });
    this.#presence = new Presence({
      store: new PresenceStore(db, randomUUID()),
      times: limits.presence,
      announce: (room) => this.#feeds.announcePresence(room),
      onChange: (room, person, state) => {
        for (const connection of this.#connections) connection.tellPresence(room, person, state);
      },
    });
    this.#parts = this.#partsOf(options);
    this.#timers = [
      setInterval(() => this.#tick(), limits.tickEveryMs),
      setInterval(() => void this.beat(), limits.presence.everyMs),
    ];
    this.#observe(options.metrics);
  }

  /** Takes over a WebSocket that was just opened. */
  accept(socket: WebSocket): void {
    if (this.#draining || this.#connections.size >= this.#options.limits.connections) {
      const [code, reason] = this.#draining ? [CLOSE.goingAway, 'going-away'] : [CLOSE.tryLater, 'full'];
      socket.on('error', () => undefined);
      socket.close(code, reason);
      return;
    }
    const connection = new Connection(socket, this.#parts);
    this.#connections.add(connection);
    socket.on('close', () => {
      this.#connections.delete(connection);
      const { person } = connection;
      if (person !== null) this.#forget(person);
    });
  }

  /** Ends every connection with 1001, each once all it said is acknowledged. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all([...this.#connections].map((connection) => connection.drain()));
  }

  /** Erases everything of a person here, and ends their connections: those to other instances within a beat. */
  async erase(person: string): Promise<Readonly<Record<string, number>>> {
    const erased = await this.members.erase(person);
    this.#endAllOf([person]);
    return erased;
  }

  /** Says again who is here, and ends connections of people who were erased. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat()
      .catch((error: unknown) => this.#options.log.warn({ error }, 'presence could not be kept'))
      .finally(() => {
        this.#beating = null;
      });
    return this.#beating;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#feeds.close();
    await this.#beating;
    await this.#options.fanOut.close();
  }

  async #beat(): Promise<void> {
    const people = [...this.#connectionsOf.keys()];
    await this.#presence.beat();
    this.#endAllOf(await this.members.missing(people));
    await this.members.forgetDepartures();
  }

  #endAllOf(people: readonly string[]): void {
    if (people.length === 0) return;
    const gone = new Set(people);
    for (const connection of this.#connections) {
      if (connection.person !== null && gone.has(connection.person)) connection.close(CLOSE.erased, 'erased');
    }
  }

  #partsOf({ verifier, admit, limits, clock, metrics }: ChatOptions): ConnectionParts {
    const rate = new RateLimit(limits.rate, clock);
    const queue = new SayQueue((room, sayings) => this.#store(room, sayings));
    const said = metrics.counter({
      name: 'chat_messages_total',
      help: 'Messages that clients sent, by what came of them.',
      labels: ['outcome'],
    });
    const ended = metrics.counter({
      name: 'chat_connections_ended_total',
      help: 'WebSockets that the service closed, by why.',
      labels: ['reason'],
    });
    return {
      verifier,
      admit,
      register: (person) => this.#register(person),
      feeds: this.#feeds,
      read: (room, after, limit) => this.rooms.messages(room, after, limit),
      enter: (room, person) => this.#presence.enter(room, person),
      leave: (room, person, how) => this.#presence.leave(room, person, how),
      mayTalk: (person) => {
        const may = rate.take(person);
        if (!may) said.inc({ outcome: 'too-fast' });
        return may;
      },
      say: async (room, saying) => {
        try {
          const outcome = await queue.say(room, saying);
          said.inc({ outcome: outcome.outcome });
          return outcome;
        } catch (error) {
          said.inc({ outcome: 'failed' });
          throw error;
        }
      },
      onEnd: (reason) => ended.inc({ reason }),
      clock,
      limits: limits.connection,
    };
  }

  async #store(room: string, sayings: readonly Saying[]): Promise<SayingOutcome[]> {
    const outcomes = await this.rooms.say(room, sayings);
    const newest = Math.max(0, ...outcomes.map((outcome) => (outcome.outcome === 'said' ? outcome.seq : 0)));
    if (newest > 0) this.#feeds.announce(room, newest);
    return outcomes;
  }

  #register(person: string): boolean {
    const connections = this.#connectionsOf.get(person) ?? 0;
    if (connections >= this.#options.limits.connectionsOfPerson) return false;
    this.#connectionsOf.set(person, connections + 1);
    return true;
  }

  #forget(person: string): void {
    const rest = (this.#connectionsOf.get(person) ?? 0) - 1;
    if (rest > 0) this.#connectionsOf.set(person, rest);
    else this.#connectionsOf.delete(person);
  }

  #tick(): void {
    for (const connection of this.#connections) connection.tick();
  }

  #observe(metrics: Metrics): void {
    metrics.gauge({
      name: 'chat_connections',
      help: 'WebSockets that are open.',
      collect: (gauge) => gauge.set(this.#connections.size),
    });
    metrics.gauge({
      name: 'chat_rooms_open',
      help: 'Rooms that somebody is in by this instance.',
      collect: (gauge) => gauge.set(this.#feeds.rooms.length),
    });
  }
}
