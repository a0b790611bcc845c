import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerHeaders, readRequestHead } from './request-head.ts';

const names = (flat: readonly string[]): string[] =>
  flat.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());

describe('the head of a request', () => {
  it('loses everything that is for one connection, also what Connection names', () => {
    const head = readRequestHead(
      ['Host', 'a', 'Connection', 'close, X-Hop', 'X-Hop', '1', 'Keep-Alive', 'x', 'TE', 'trailers', 'X-Kept', '2'],
      'public',
    );
    expect(head.forward).toEqual(['X-Kept', '2']);
  });

  it('keeps its length and its host whatever Connection names', () => {
    const head = readRequestHead(['Host', 'a', 'Content-Length', '3', 'Connection', 'Content-Length, Host'], 'public');
    expect(head).toMatchObject({ host: 'a', contentLength: 3, forward: ['Content-Length', '3'] });
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
        const head = readRequestHead(headers.flat(), 'public');
        expect(head).toMatchObject({ forward: [], arm: null, preview: false, forwardedFor: null, forwardedHost: null });
      }),
    );
  });

  it('from inside is believed about its arm, a preview and where it came from', () => {
    const head = readRequestHead(
      ['x-veza-arm', 'candidate', 'x-veza-preview', '1', 'x-forwarded-for', '1.2.3.4'],
      'internal',
    );
    expect(head).toMatchObject({ arm: 'candidate', preview: true, forwardedFor: '1.2.3.4' });
    expect(names(head.forward)).toEqual(['x-veza-preview']);
  });

  it('has an arm only if it is one', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        fc.pre(value !== 'candidate' && value !== 'stable');
        expect(readRequestHead(['x-veza-arm', value], 'internal').arm).toBeNull();
      }),
    );
  });

  it('has a request id only in a form that is safe in logs', () => {
    expect(readRequestHead(['x-request-id', 'abc-1'], 'public').requestId).toBe('abc-1');
    expect(readRequestHead(['x-request-id', 'a b'], 'public').requestId).toBeNull();
    expect(readRequestHead(['x-request-id', 'x'.repeat(129)], 'public').requestId).toBeNull();
  });

  it('with two hosts cannot be passed on', () => {
    expect(readRequestHead(['Host', 'a', 'host', 'b'], 'public').fault).not.toBeNull();
  });
});

describe('the headers of an answer', () => {
  it('keep every value, and lose what is for one connection or what the gateway says itself', () => {
    const flat = answerHeaders({
      'set-cookie': ['a=1', 'b=2'],
      connection: 'x-hop',
      'x-hop': '1',
      'transfer-encoding': 'chunked',
      'x-veza-error': 'faked',
      'x-veza-release': 'faked',
      etag: '"1"',
    });
    expect(flat).toEqual(['set-cookie', 'a=1', 'set-cookie', 'b=2', 'etag', '"1"']);
  });
});
