import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Slot } from '../core/slot.ts';

/**
 * What a user's cookie says: where the candidate of the canary is in which he was placed, and his own number in
 * [0, 100). He is on the candidate while his number is below the weight, so a rising weight only adds users to it.
 */
export interface StickyPlace {
  readonly slot: Slot;
  /** Release of the candidate; a cookie of another canary says nothing about this one. */
  readonly release: string;
  readonly number: number;
}

/** Cookie name of a service: its own name, in letters that a cookie name may have (RFC 6265, 4.1.1). */
export const stickyCookieName = (service: string): string => `veza_${service.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`;

/** Writes and reads the signed value of a cookie. The service is part of what is signed. */
export class StickyCookie {
  readonly #key: Buffer;

  /** @param key at least 32 random bytes */
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** `Set-Cookie` that places a user. */
  set(service: string, place: StickyPlace): string {
    return `${stickyCookieName(service)}=${this.sign(service, place)}; Path=/; HttpOnly; SameSite=Lax`;
  }

  /** `Set-Cookie` that takes the cookie away. */
  clear(service: string): string {
    return `${stickyCookieName(service)}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`;
  }

  sign(service: string, place: StickyPlace): string {
    const release = Buffer.from(place.release).toString('base64url');
    const payload = `1.${place.slot}.${release}.${place.number.toFixed(4)}`;
    return `${payload}.${this.#signature(service, payload).toString('base64url')}`;
  }

  /** The place that a cookie value says, or null for anything that this gateway did not sign for this service. */
  verify(service: string, value: string): StickyPlace | null {
    if (value.length > 512) return null;
    const end = value.lastIndexOf('.');
    if (end === -1) return null;
    const payload = value.slice(0, end);
    const given = Buffer.from(value.slice(end + 1), 'base64url');
    const expected = this.#signature(service, payload);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    // Signed by us, so it has our form; only a form of an older gateway is refused.
    const match = /^1\.(blue|green)\.([\w-]*)\.(\d{1,2}\.\d{4})$/.exec(payload);
    if (match === null) return null;
    const [, slot, release, number] = match;
    return {
      slot: slot as Slot,
      release: Buffer.from(release ?? '', 'base64url').toString(),
      number: Number(number),
    };
  }

  #signature(service: string, payload: string): Buffer {
    return createHmac('sha256', this.#key).update(service).update('\0').update(payload).digest().subarray(0, 16);
  }
}

/** The value of one cookie in a `Cookie` header, or null. */
export function readCookie(header: string, name: string): string | null {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return null;
}

/** The `Cookie` header without one cookie; null when nothing is left. */
export function withoutCookie(header: string, name: string): string | null {
  const rest = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && pair.split('=', 1)[0]?.trim() !== name);
  return rest.length === 0 ? null : rest.join('; ');
}
