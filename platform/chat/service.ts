import { sql } from 'kysely';
import { connect } from '../database/connect.ts';
import { authenticate, internalOnly } from '../kit/authentication.ts';
import { createCaller } from '../kit/call.ts';
import type { RunningService, ServiceContext, ServiceDefinition } from '../kit/service.ts';
import { addPeopleRoutes } from '../people/internal-routes.ts';
import { parseKeyRing } from '../tokens/key-ring.ts';
import { createVerifier } from '../tokens/verifier.ts';
import { Chat, CHAT_LIMITS, type ChatLimits } from './chat.ts';
import type { FanOut } from './fan-out.ts';
import { Names } from './names.ts';
import { Members } from './members.ts';
import { personalData } from './personal-data.ts';
import { createPostgresFanOut } from './postgres-fan-out.ts';
import { createRedisFanOut } from './redis-fan-out.ts';
import { addRoomRoutes } from './room-routes.ts';
import type { ChatTables } from './schema.ts';
import { chatSettings, type ChatSettings } from './settings.ts';
import { openSockets } from './sockets.ts';

/** Rooms over WebSockets, with history and presence. */
export const chat: ServiceDefinition<typeof chatSettings> = createChatService();

/** @param limits other than those of production, for tests */
export function createChatService(limits: Partial<ChatLimits> = {}): ServiceDefinition<typeof chatSettings> {
  return {
    name: 'chat',
    settings: chatSettings,
    example: {
      DATABASE_URL: 'postgres://127.0.0.1:5432/veza',
      INTERNAL_KEY: 'an-example-of-at-least-32-characters',
    },
    start: (context) => Promise.resolve(start(context, limits)),
  };
}

function start(context: ServiceContext<ChatSettings>, limits: Partial<ChatLimits>): RunningService {
  const { app, settings, metrics, log, clock, dependency } = context;
  const database = connect<ChatTables>({
    url: settings.DATABASE_URL,
    schema: 'chat',
    pool: settings.DATABASE_POOL,
    prepare: settings.DATABASE_PREPARE,
    metrics,
    log,
  });
  const db = database.write;
  const verifier = createVerifier({
    ring: parseKeyRing(settings.KEY_RING),
    jwksUrl: settings.IDENTITY_URL === undefined ? null : new URL('/.well-known/jwks.json', settings.IDENTITY_URL).href,
    clock,
    metrics,
  });
  const fanOut: FanOut =
    settings.REDIS_URL === undefined
      ? createPostgresFanOut({
          url: settings.DATABASE_LISTEN_URL ?? settings.DATABASE_URL,
          notify: async (channel, payload) => void (await sql`select pg_notify(${channel}, ${payload})`.execute(db)),
          log,
        })
      : createRedisFanOut({ url: settings.REDIS_URL, log });
  const names = new Names({
    api: settings.API_URL === undefined ? null : createCaller({ service: 'api', url: settings.API_URL }),
    members: new Members(db),
  });
  const perSecond = settings.CHAT_MESSAGES_PER_SECOND;
  const running = new Chat({
    db,
    fanOut,
    verifier,
    admit: (person, token) => names.admit(person, token),
    log,
    metrics,
    clock,
    limits: { ...CHAT_LIMITS, rate: { burst: 4 * perSecond, perSecond }, ...limits },
  });

  dependency('database', (signal) => database.check(signal), { critical: true });
  // Without identity, tokens whose key is known are still believed.
  dependency('keys', (signal) => verifier.check(signal), { critical: false });
  // Without a broker messages take up to a second to reach other instances; they do reach them.
  dependency('fan-out', (signal) => fanOut.check(signal), { critical: false });
  addRoomRoutes(app, running, authenticate(verifier));
  addPeopleRoutes(app, {
    db,
    catalogue: personalData,
    internal: internalOnly(settings.INTERNAL_KEY),
    erase: (person) => running.erase(person),
  });
  openSockets(app.server, running, settings.ALLOWED_ORIGINS ?? null);

  return {
    drain: () => running.drain(),
    async close() {
      await running.close();
      verifier.close();
      await database.close();
    },
  };
}
