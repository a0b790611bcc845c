import type { BodyLength, ClientRequest } from '../client-request.ts';

// An HTTP/2 header block becomes a request head (RFC 9113, 8.2 and 8.3). nghttp2 has refused most malformed ones already;
// what it lets through and could be read differently by an instance behind HTTP/1.1 is refused here.

/** A request that must be treated as malformed: the stream is reset with PROTOCOL_ERROR (RFC 9113, 8.1.1). */
export interface MalformedRequest {
  readonly malformed: string;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const lowerToken = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Origin form without fragment; what RFC 3986 does not allow raw but browsers send (`|`, `"`, `[`) is let through. */
const originForm = /^\/[\x21\x22\x24-\x7e]*$/;
/** Host and port, without user information. */
const authorityForm = /^(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+)(?::[0-9]{1,5})?$/;
// oxlint-disable-next-line no-control-regex -- they are what it looks for
const controls = /[\0-\x08\x0a-\x1f\x7f]/;

/** Fields of a connection: HTTP/2 has its own ways for them (RFC 9113, 8.2.2). */
const ofConnection = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/**
 * @param block name, value, name, value ... as received, pseudo-headers first
 * @param endStream the block carried END_STREAM: there is no body
 */
export function requestOf(block: readonly string[], endStream: boolean): ClientRequest | MalformedRequest {
  const pseudo = new Map<string, string>();
  const headers: string[] = [];
  const names: string[] = [];
  const crumbs: string[] = [];
  let host: string | null = null;
  let length: number | null = null;
  let expectsContinue = false;

  for (let at = 0; at + 1 < block.length; at += 2) {
    const name = block[at] ?? '';
    const value = block[at + 1] ?? '';
    if (name.startsWith(':')) {
      if (names.length > 0 || crumbs.length > 0) return { malformed: 'pseudo-header behind a header' };
      if (pseudo.has(name)) return { malformed: `${name} twice` };
      pseudo.set(name, value);
      continue;
    }
    if (!lowerToken.test(name)) return { malformed: 'header name' };
    if (controls.test(value)) return { malformed: 'header value' };
    if (ofConnection.has(name)) return { malformed: `${name} in HTTP/2` };
    switch (name) {
      case 'te':
        if (value !== 'trailers') return { malformed: 'te' };
        break;
      case 'host':
        if (host !== null) return { malformed: 'host twice' };
        host = value;
        // It goes first, like `:authority`.
        continue;
      case 'cookie':
        if (crumbs.length === 0) {
          headers.push(name, '');
          names.push(name);
        }
        crumbs.push(value);
        continue;
      case 'content-length': {
        if (length !== null || !/^[0-9]{1,15}$/.test(value)) return { malformed: 'content-length' };
        length = Number(value);
        break;
      }
      case 'expect':
        expectsContinue ||= value.toLowerCase() === '100-continue';
        break;
      default:
    }
    headers.push(name, value);
    names.push(name);
  }

  const method = pseudo.get(':method') ?? '';
  const target = pseudo.get(':path') ?? '';
  const authority = pseudo.get(':authority') ?? null;
  for (const name of pseudo.keys()) {
    if (name !== ':method' && name !== ':path' && name !== ':authority' && name !== ':scheme') {
      return { malformed: `${name} in a request` };
    }
  }
  if (!token.test(method)) return { malformed: ':method' };
  if (method === 'CONNECT') return { malformed: 'CONNECT' };
  if (pseudo.get(':scheme') !== 'https') return { malformed: ':scheme' };
  if (!originForm.test(target) && !(target === '*' && method === 'OPTIONS')) return { malformed: ':path' };
  if (authority !== null && host !== null && authority.toLowerCase() !== host.toLowerCase()) {
    return { malformed: ':authority and host differ' };
  }
  const named = authority ?? host;
  if (named === null || !authorityForm.test(named)) return { malformed: ':authority' };
  if (endStream && length !== null && length > 0) return { malformed: 'content-length without a body' };

  if (crumbs.length > 0) headers[2 * names.indexOf('cookie') + 1] = crumbs.join('; ');
  return {
    method,
    target,
    version: '2',
    headers: ['host', named, ...headers],
    names: ['host', ...names],
    body: bodyOf(endStream, length),
    expectsContinue: expectsContinue && !endStream,
    upgrade: null,
  };
}

function bodyOf(endStream: boolean, length: number | null): BodyLength {
  if (endStream) return { kind: 'none' };
  return length === null ? { kind: 'open' } : { kind: 'length', bytes: length };
}
