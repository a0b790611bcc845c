import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closeFrame, FrameScanner } from './websocket-frames.ts';

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly masked: boolean;
  readonly length: number;
}

function encode({ opcode, final, masked, length }: Frame): Buffer {
  const head = [(final ? 0x80 : 0) | opcode];
  const mask = masked ? 0x80 : 0;
  if (length < 126) head.push(mask | length);
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 0xff);
  else head.push(mask | 127, 0, 0, 0, 0, 0, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
  // Payload bytes that look like the head of a Close frame.
  return Buffer.concat([Buffer.from(head), Buffer.alloc(masked ? 4 : 0, 0x88), Buffer.alloc(length, 0x88)]);
}

const frame = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 9, 10),
  final: fc.boolean(),
  masked: fc.boolean(),
  length: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(65_535, 65_536, 70_000)),
});

/** Cuts bytes at arbitrary places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

describe('a frame scanner', () => {
  it('finds every frame boundary, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, places) => {
        const encoded = frames.map(encode);
        const expected: number[] = [];
        let end = 0;
        for (const bytes of encoded) expected.push((end += bytes.length));
        const scanner = new FrameScanner();
        const found: number[] = [];
        let offset = 0;
        for (const chunk of cut(Buffer.concat(encoded), places)) {
          for (let at = 0; at < chunk.length;) {
            at = scanner.scan(chunk, at);
            if (scanner.atFrameBoundary) found.push(offset + at);
          }
          offset += chunk.length;
        }
        expect(found).toEqual(expected);
        expect(scanner.closeSeen).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('is inside a message between its fragments, also when a ping stands between them', () => {
    const scanner = new FrameScanner();
    const after = (opcode: number, final: boolean): boolean => {
      scanner.scan(encode({ opcode, final, masked: false, length: 3 }), 0);
      return scanner.atMessageBoundary;
    };
    expect(after(1, false)).toBe(false);
    expect(after(9, true)).toBe(false);
    expect(after(0, false)).toBe(false);
    expect(after(0, true)).toBe(true);
  });

  it('sees a Close only once it is whole', () => {
    const scanner = new FrameScanner();
    const bytes = closeFrame(1001, 'bye', Buffer.from([1, 2, 3, 4]));
    scanner.scan(bytes.subarray(0, bytes.length - 1), 0);
    expect(scanner.closeSeen).toBe(false);
    scanner.scan(bytes.subarray(bytes.length - 1), 0);
    expect(scanner.closeSeen).toBe(true);
  });
});

describe('a Close frame', () => {
  it('is unmasked towards a client', () => {
    expect([...closeFrame(1001, 'x', null)]).toEqual([0x88, 3, 0x03, 0xe9, 0x78]);
  });

  it('is masked towards an instance', () => {
    expect([...closeFrame(1012, '', Buffer.from([1, 2, 3, 4]))]).toEqual([0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xf4 ^ 2]);
  });

  it('holds no more than a control frame may', () => {
    expect(() => closeFrame(1001, 'x'.repeat(124), null)).toThrow(RangeError);
  });
});
