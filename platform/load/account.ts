import { z } from 'zod';
import type { IncomingHttpHeaders } from 'node:http';
import { Mismatch, nothing, readJson, same, type Answer, type Asker, type Credentials } from './ask.ts';
import type { Tally, Clock } from './tally.ts';

const refreshCookie = '__Host-veza-refresh';
const uuid = z.uuid();
const accessSeconds = 900;
/** A token is renewed this long before it ends. */
const renewBeforeMs = 60_000;

const session = z.object({
  accessToken: z.string().min(1),
  expiresIn: z.number().int().min(1).max(accessSeconds),
  refreshToken: z.string().min(20).optional(),
  person: z.object({ id: uuid }).optional(),
});
const header = z.object({ alg: z.enum(['RS256', 'HS256']), kid: z.string().min(1) });
const claims = z.object({
  iss: z.literal('https://api.veza.app'),
  aud: z.literal('https://veza.app'),
  sub: uuid,
  sid: uuid,
  iat: z.number().int(),
  exp: z.number().int(),
});

interface Session {
  readonly accessToken: string;
  readonly personId: string;
  readonly sessionId: string;
  readonly endsAtMs: number;
  readonly refreshToken: string;
}

/**
 * Somebody's account and session, by cookie as a browser has it or by `veza-client: native` as an app does. An access token
 * is renewed before it ends. When the answer to a renewal does not come, the same refresh token is presented again next
 * time, as a real client has to.
 */
export class Account implements Credentials {
  readonly email: string;
  readonly password: string;
  readonly displayName: string;
  readonly #native: boolean;
  readonly #asker: Asker;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #cookies = new Map<string, string>();
  #session: Session | null = null;

  constructor(
    who: { readonly email: string; readonly password: string; readonly displayName: string; readonly native: boolean },
    asker: Asker,
    clock: Clock,
    tally: Tally,
  ) {
    this.email = who.email;
    this.password = who.password;
    this.displayName = who.displayName;
    this.#native = who.native;
    this.#asker = asker;
    this.#clock = clock;
    this.#tally = tally;
  }

  get signedIn(): boolean {
    return this.#session !== null;
  }

  /** @throws RangeError while nobody is signed in */
  get personId(): string {
    return this.#current().personId;
  }

  /** @throws RangeError while nobody is signed in */
  get accessToken(): string {
    return this.#current().accessToken;
  }

  get shouldRenew(): boolean {
    return this.#session !== null && this.#session.endsAtMs - this.#clock.wallMs() < renewBeforeMs;
  }

  headers(): Readonly<Record<string, string>> {
    const sent = [...this.#cookies].filter(([name]) => name !== refreshCookie);
    return {
      ...(this.#session === null ? {} : { authorization: `Bearer ${this.#session.accessToken}` }),
      ...(sent.length === 0 ? {} : { cookie: sent.map(([name, value]) => `${name}=${value}`).join('; ') }),
    };
  }

  answered(headers: IncomingHttpHeaders): void {
    // An app keeps no cookies: it may meet another release with every request of a canary.
    if (this.#native) return;
    for (const cookie of headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '' || /max-age=0\b/i.test(cookie)) this.#cookies.delete(name);
      else if (name !== refreshCookie) this.#cookies.set(name, value);
    }
  }

  loggedOut(): void {
    this.#session = null;
  }

  async register(language: string, dueMs?: number): Promise<boolean> {
    const { email, password, displayName } = this;
    return this.#signIn('register', '/auth/v1/register', { email, password, displayName, language }, 201, dueMs);
  }

  /** A new session; the old one is logged out, and must not be good for another token then. */
  async logIn(dueMs?: number): Promise<boolean> {
    const old = this.#session;
    const { email, password } = this;
    if (!(await this.#signIn('log-in', '/auth/v1/login', { email, password }, 200, dueMs))) return false;
    if (old === null) return true;
    const mine = { operation: 'log-in', method: 'POST', as: null, signedIn: false } as const;
    const out = await this.#asker.ask({
      ...mine,
      path: '/auth/v1/logout',
      ...this.#refreshing(old),
      expect: [200, 204],
      read: nothing,
    });
    if (out === null) return true;
    await this.#asker.ask({
      ...mine,
      path: '/auth/v1/refresh',
      ...this.#refreshing(old),
      expect: [401],
      read: nothing,
    });
    return true;
  }

  /** A real one: the refresh token is used up, and the next one is kept. */
  async refresh(dueMs?: number): Promise<boolean> {
    const old = this.#current();
    const asked = await this.#asker.ask({
      operation: 'refresh',
      ...(dueMs === undefined ? {} : { dueMs }),
      method: 'POST',
      path: '/auth/v1/refresh',
      ...this.#refreshing(old),
      expect: [200],
      as: { headers: () => ({}), answered: (headers) => this.answered(headers), loggedOut: () => this.loggedOut() },
      signedIn: true,
      read: (answer) => {
        const next = this.#readSession(answer);
        same('person of the renewed token', next.personId, old.personId);
        same('session of the renewed token', next.sessionId, old.sessionId);
        if (next.refreshToken === old.refreshToken) throw new Mismatch('the refresh token was not replaced');
        return next;
      },
    });
    if (asked !== null) this.#session = asked.value;
    return asked !== null;
  }

  async me(): Promise<boolean> {
    const { personId, email } = this;
    const me = z.object({ id: uuid, email: z.string() });
    const asked = await this.#asker.ask({
      operation: 'refresh',
      method: 'GET',
      path: '/auth/v1/me',
      expect: [200],
      as: this,
      signedIn: true,
      read: (answer) => {
        const its = readJson(me, answer);
        same('id', its.id, personId);
        same('email', its.email, email);
      },
    });
    return asked !== null;
  }

  async #signIn(
    operation: 'register' | 'log-in',
    path: string,
    json: object,
    status: number,
    dueMs?: number,
  ): Promise<boolean> {
    const asked = await this.#asker.ask({
      operation,
      ...(dueMs === undefined ? {} : { dueMs }),
      method: 'POST',
      path,
      headers: this.#kind(),
      json,
      expect: [status],
      as: { headers: () => ({}), answered: (headers) => this.answered(headers), loggedOut: nothing },
      signedIn: false,
      read: (answer) => {
        const next = this.#readSession(answer);
        if (this.#session !== null) same('person who logged in', next.personId, this.#session.personId);
        return next;
      },
    });
    if (asked === null) return false;
    this.#session = asked.value;
    this.#tally.sessions += 1;
    return true;
  }

  /** @throws Mismatch when a token or a cookie is not as it must be */
  #readSession(answer: Answer): Session {
    const its = readJson(session, answer);
    const [head = '', payload = ''] = its.accessToken.split('.');
    if (!header.safeParse(part(head)).success) throw new Mismatch('the head of the access token has no kid');
    const parsed = claims.safeParse(part(payload));
    if (!parsed.success) throw new Mismatch(`claims of the access token: ${parsed.error.issues[0]?.message}`);
    const { sub, sid, iat, exp } = parsed.data;
    same('lifetime of the access token', exp - iat, accessSeconds);
    if (its.person !== undefined) same('sub', sub, its.person.id);
    const cookie = refreshCookieOf(answer.headers);
    const refreshToken = this.#native ? its.refreshToken : cookie;
    if (refreshToken === undefined) throw new Mismatch('no refresh token');
    if (this.#native && cookie !== undefined) throw new Mismatch('a cookie for an app');
    if (!this.#native && its.refreshToken !== undefined) throw new Mismatch('a refresh token that scripts can read');
    const endsAtMs = this.#clock.wallMs() + its.expiresIn * 1_000;
    return { accessToken: its.accessToken, personId: sub, sessionId: sid, endsAtMs, refreshToken };
  }

  #kind(): Record<string, string> {
    return this.#native ? { 'veza-client': 'native' } : {};
  }

  #refreshing({ refreshToken }: Session): { readonly headers: Record<string, string>; readonly json?: object } {
    return this.#native
      ? { headers: this.#kind(), json: { refreshToken } }
      : { headers: { cookie: `${refreshCookie}=${refreshToken}` } };
  }

  #current(): Session {
    if (this.#session === null) throw new RangeError(`${this.displayName} is not signed in`);
    return this.#session;
  }
}

function part(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw new Mismatch('the access token is no JWT');
  }
}

/** @throws Mismatch when it is not kept from scripts, from other sites and from plain connections (RFC 6265bis) */
function refreshCookieOf(headers: IncomingHttpHeaders): string | undefined {
  const cookie = headers['set-cookie']?.find((text) => text.startsWith(`${refreshCookie}=`));
  if (cookie === undefined) return undefined;
  const [pair = '', ...attributes] = cookie.split(';').map((text) => text.trim());
  const has = new Set(attributes.map((text) => text.toLowerCase()));
  for (const wanted of ['httponly', 'secure', 'samesite=strict', 'path=/']) {
    if (!has.has(wanted)) throw new Mismatch(`the refresh cookie has no ${wanted}`);
  }
  return pair.slice(refreshCookie.length + 1);
}
