import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headersForClient, readRequestHead, type Side } from './request-head.ts';

/** As the parsers give it. */
const parsed = (...headers: readonly string[]) => ({
  headers,
  names: headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()),
});

const read = (side: Side, ...headers: readonly string[]) => readRequestHead(parsed(...headers), side);

const forwarded = (text: string): string[] =>
  text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':', 1)[0]?.toLowerCase() ?? '');

describe('the head of a request', () => {
  it('loses everything that is for one connection, also what Connection names', () => {
    const head = read(
      'public',
      ...'Host a Connection close,X-Hop X-Hop 1 Keep-Alive x TE trailers X-Kept 2'.split(' '),
    );
    expect(head.forward).toBe('X-Kept: 2\r\n');
  });

  it('loses its framing, which is written anew, and keeps its host whatever Connection names', () => {
    const head = read('public', 'Host', 'a', 'Content-Length', '3', 'Connection', 'Content-Length, Host');
    expect(head).toMatchObject({ host: 'a', forward: '' });
  });

  it('from users has nothing that only the gateway may say', () => {
    const own = fc.constantFrom(
      'X-Veza-Arm',
      'x-veza-preview',
      'X-VEZA-anything',
      'Forwarded',
      'X-Forwarded-For',
      'x-forwarded-host',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(own, fc.constantFrom('candidate', '1', 'evil'))), (headers) => {
        const head = read('public', ...headers.flat());
        expect(head).toMatchObject({ forward: '', arm: null, preview: false, forwardedFor: null, forwardedHost: null });
      }),
    );
  });

  it('from inside is believed about its arm, a preview and where it came from', () => {
    const head = read('internal', 'x-veza-arm', 'candidate', 'x-veza-preview', '1', 'x-forwarded-for', '1.2.3.4');
    expect(head).toMatchObject({ arm: 'candidate', preview: true, forwardedFor: '1.2.3.4' });
    expect(forwarded(head.forward)).toEqual(['x-veza-preview']);
  });

  it('has an arm only if it is one', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        fc.pre(value !== 'candidate' && value !== 'stable');
        expect(read('internal', 'x-veza-arm', value).arm).toBeNull();
      }),
    );
  });

  it('has a request id only in a form that is safe in logs', () => {
    expect(read('public', 'x-request-id', 'abc-1').requestId).toBe('abc-1');
    expect(read('public', 'x-request-id', 'a b').requestId).toBeNull();
    expect(read('public', 'x-request-id', 'x'.repeat(129)).requestId).toBeNull();
  });

  it('keeps every other header as it was sent, in order', () => {
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/).map((text) => `q-${text}`);
    const value = fc.stringMatching(/^[!-~]{0,30}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), (headers) => {
        const { forward } = read('public', 'Host', 'a', ...headers.flat());
        expect(forward).toBe(headers.map(([n, v]) => `${n}: ${v}\r\n`).join(''));
      }),
    );
  });
});

describe('the headers of an answer', () => {
  it('keep every value, and lose what is for one connection or what the gateway says itself', () => {
    const headers = headersForClient(
      parsed(
        ...'Set-Cookie a=1 set-cookie b=2 connection x-hop x-hop 1'.split(' '),
        ...'transfer-encoding chunked x-veza-error faked x-veza-release faked'.split(' '),
        ...'etag "1" content-type text/plain keep-alive timeout=5'.split(' '),
      ),
    );
    expect(headers).toEqual(['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'etag', '"1"', 'content-type', 'text/plain']);
  });
});
