import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Problem } from '../kit/problem.ts';
import { ACCESS_TOKEN_SECONDS } from '../tokens/claims.ts';
import { emailAddress } from './email.ts';
import type { IdentityParts } from './parts.ts';
import { type Account, registration } from './people.ts';
import { clearRefreshCookie, isNative, presentedToken, sameSiteOnly, setRefreshCookie } from './refresh-cookie.ts';
import type { LiveSession } from './sessions.ts';

const credentials = z.strictObject({ email: emailAddress, password: z.string().min(1).max(256) });
const tokenInBody = z.strictObject({ refreshToken: z.string().max(128).optional() }).nullish();
const signedIn = z.object({
  accessToken: z.string(),
  /** Seconds. */
  expiresIn: z.number(),
  person: z.object({ id: z.uuid() }),
  /** For `veza-client: native` alone; others have it in a cookie that no script can read. */
  refreshToken: z.string().optional(),
});

/** `/auth/v1/{register,login,refresh,logout,me}`. */
export function sessionRoutes(parts: IdentityParts): void {
  const { app, log, people, sessions, passwords, attempts, addressOf } = parts;
  const logIns = parts.metrics.counter({
    name: 'identity_log_ins_total',
    help: 'Log-ins, by what came of them.',
    labels: ['outcome'],
  });
  const refreshes = parts.metrics.counter({
    name: 'identity_refreshes_total',
    help: 'Refreshes of sessions, by what came of them; "reuse" is a stolen refresh token.',
    labels: ['outcome'],
  });

  async function answer(request: FastifyRequest, reply: FastifyReply, session: LiveSession) {
    const { personId, sessionId, refreshToken } = session;
    const accessToken = await parts.signer.sign({ id: personId, sessionId });
    reply.header('cache-control', 'no-store');
    if (!isNative(request)) setRefreshCookie(reply, refreshToken);
    const body = { accessToken, expiresIn: ACCESS_TOKEN_SECONDS, person: { id: personId } };
    return isNative(request) ? { ...body, refreshToken } : body;
  }

  /** Not worth a failed log-in: when there is no time for it now, there is at the next. */
  async function renewHash({ id, passwordHash }: Account, password: string): Promise<void> {
    try {
      await people.rehash(id, passwordHash, await passwords.hash(password));
    } catch (error) {
      log.warn({ error }, 'the hash of a password could not be made anew');
    }
  }

  app.post(
    '/auth/v1/register',
    {
      onRequest: sameSiteOnly,
      schema: { summary: 'Make an account and log in', body: registration, response: { 201: signedIn } },
    },
    async (request, reply) => {
      const attempt = await attempts.register(addressOf(request));
      let session: LiveSession | null;
      try {
        const hash = await passwords.hash(request.body.password);
        session = await people.register(request.body, hash, (db, id) => sessions.begin(id, db));
      } catch (error) {
        await attempt.takeBack();
        throw error;
      }
      if (session === null) throw new Problem(409, 'email-taken', 'There is an account with this e-mail address.');
      await attempt.takeBack();
      reply.code(201);
      return await answer(request, reply, session);
    },
  );

  app.post(
    '/auth/v1/login',
    {
      onRequest: sameSiteOnly,
      schema: { summary: 'Log in', body: credentials, response: { 200: signedIn } },
    },
    async (request, reply) => {
      const { email, password } = request.body;
      const attempt = await attempts.logIn(email, addressOf(request)).catch((error: unknown) => {
        logIns.inc({ outcome: 'limited' });
        throw error;
      });
      const account = await people.find({ email });
      const check = await passwords.check(password, account?.passwordHash ?? null).catch(async (error: unknown) => {
        // The password was not looked at.
        logIns.inc({ outcome: 'shed' });
        await attempt.takeBack();
        throw error;
      });
      const session = account !== null && check.matches && !account.disabled ? await sessions.begin(account.id) : null;
      if (account === null || session === null) {
        logIns.inc({ outcome: 'refused' });
        throw new Problem(401, 'wrong-credentials', 'The e-mail address and the password do not belong together.');
      }
      await attempt.takeBack();
      if (check.outdated) await renewHash(account, password);
      logIns.inc({ outcome: 'accepted' });
      return await answer(request, reply, session);
    },
  );

  app.post(
    '/auth/v1/refresh',
    {
      onRequest: sameSiteOnly,
      schema: { summary: 'Take a refresh token for the next', body: tokenInBody, response: { 200: signedIn } },
    },
    async (request, reply) => {
      const token = presentedToken(request, request.body?.refreshToken);
      if (token === null) throw new Problem(401, 'no-session', 'There is no session to go on with.');
      const outcome = await sessions.refresh(token);
      refreshes.inc({ outcome: outcome.refreshed ? 'refreshed' : outcome.because });
      if (outcome.refreshed) return await answer(request, reply, outcome.session);
      if (outcome.because === 'reuse') log.warn({ reason: 'reuse' }, 'a refresh token came again: its session ends');
      throw new Problem(401, 'session-ended', 'This session has ended. Log in again.');
    },
  );

  app.post(
    '/auth/v1/logout',
    {
      onRequest: sameSiteOnly,
      schema: { summary: 'End the session', body: tokenInBody, response: { 204: z.void() } },
    },
    async (request, reply) => {
      const token = presentedToken(request, request.body?.refreshToken);
      if (token !== null) await sessions.endByToken(token);
      if (!isNative(request)) clearRefreshCookie(reply);
      reply.code(204).header('cache-control', 'no-store');
    },
  );

  app.get(
    '/auth/v1/me',
    {
      onRequest: parts.authenticated,
      schema: {
        summary: 'Who I am',
        response: {
          200: z.object({ id: z.uuid(), email: z.string(), displayName: z.string(), language: z.string() }),
        },
      },
    },
    async (request, reply) => {
      const me = await people.inSession(request.person.id, request.person.sessionId);
      if (me === null) throw new Problem(401, 'session-ended', 'This session has ended. Log in again.');
      reply.header('cache-control', 'no-store');
      return me;
    },
  );
}
