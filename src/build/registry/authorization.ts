/** Who asks. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What a registry wants to see (RFC 9110, 11.6.1). */
export type Challenge =
  | { readonly kind: 'basic' }
  /** A token of somebody else. @see https://distribution.github.io/distribution/spec/auth/token/ */
  | { readonly kind: 'bearer'; readonly realm: string; readonly service: string | null; readonly scope: string | null };

/** The first challenge that can be met; null when there is none. @param header `www-authenticate` */
export function readChallenge(header: string): Challenge | null {
  const scheme = /^\s*([a-z]+)/i.exec(header)?.[1]?.toLowerCase();
  if (scheme === 'basic') return { kind: 'basic' };
  if (scheme !== 'bearer') return null;
  const fields = new Map<string, string>();
  for (const [, name = '', quoted, plain] of header.matchAll(/([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/gi))
    fields.set(name.toLowerCase(), quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/g, '$1'));
  const realm = fields.get('realm');
  if (realm === undefined || !URL.canParse(realm)) return null;
  return { kind: 'bearer', realm, service: fields.get('service') ?? null, scope: fields.get('scope') ?? null };
}

export const basic = ({ username, password }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
