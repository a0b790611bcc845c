import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure, failureOf, unreachable } from '../failure.ts';
import { upload, type UploadTarget } from './upload.ts';

/** What becomes of a request. */
type Fate = 'arrives' | 'arrives in part' | 'is lost' | 'its answer is lost' | 'is refused for now';

/** The service: appends where it is, and says where that is; the network does with a request what the list says. */
class Store implements UploadTarget {
  bytes = Buffer.alloc(0);
  readonly #fates: Fate[];

  constructor(fates: readonly Fate[]) {
    this.#fates = [...fates];
  }

  offset(): Promise<number> {
    const fate = this.#fates.shift() ?? 'arrives';
    return fate === 'arrives' || fate === 'arrives in part'
      ? Promise.resolve(this.bytes.length)
      : Promise.reject(unreachable(new TypeError('network')));
  }

  async append(offset: number, chunk: Blob): Promise<number> {
    const fate = this.#fates.shift() ?? 'arrives';
    if (fate === 'is lost') throw unreachable(new TypeError('network'));
    if (fate === 'is refused for now') throw new Failure(503, 'storage-unavailable', { retryAfterMs: 10 });
    if (offset === this.bytes.length) {
      const whole = Buffer.from(await chunk.arrayBuffer());
      const arrived = fate === 'arrives in part' ? whole.subarray(0, whole.length >> 1) : whole;
      this.bytes = Buffer.concat([this.bytes, arrived]);
    }
    if (fate === 'its answer is lost') throw unreachable(new TypeError('network'));
    return this.bytes.length;
  }
}

const file = new Blob([Uint8Array.from({ length: 2_500_000 }, (_, index) => (index * 7) % 251)]);

function send(target: UploadTarget, options: { readonly signal?: AbortSignal; readonly offset?: number } = {}) {
  return upload({
    file,
    target,
    offset: options.offset ?? null,
    signal: options.signal ?? new AbortController().signal,
    onProgress: () => undefined,
    wait: () => Promise.resolve(),
    random: () => 0.5,
  });
}

describe('an upload', () => {
  test('arrives whole and once, whatever the network does with its requests', async () => {
    const original = Buffer.from(await file.arrayBuffer());
    const fate = fc.constantFrom<Fate>(
      'arrives',
      'arrives in part',
      'is lost',
      'its answer is lost',
      'is refused for now',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { maxLength: 12 }), async (fates) => {
        const store = new Store(fates);
        await send(store);
        expect(original.equals(store.bytes)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('begins where it is told to', async () => {
    const store = new Store([]);
    await send(store, { offset: 0 });
    expect(store.bytes).toHaveLength(file.size);
  });

  test('says when what arrived is not what was sent', async () => {
    const target: UploadTarget = {
      offset: () => Promise.resolve(0),
      append: () => Promise.reject(new Failure(422, 'checksum-mismatch')),
    };
    const failure = failureOf(await send(target).catch((error: unknown) => error));
    expect(failure.code).toBe('upload-corrupt');
  });

  test('does not insist when it is refused for good', async () => {
    let asked = 0;
    const target: UploadTarget = {
      offset: () => Promise.resolve(0),
      append: () => {
        asked += 1;
        return Promise.reject(new Failure(403, 'not-your-track'));
      },
    };
    await expect(send(target)).rejects.toMatchObject({ code: 'not-your-track' });
    expect(asked).toBe(1);
  });

  test('stops when it is told to', async () => {
    const stopping = new AbortController();
    stopping.abort();
    await expect(send(new Store([]), { signal: stopping.signal })).rejects.toThrow(/abort/);
  });
});
