import { describe, expect, it } from 'vitest';
import { HASHING, Passwords } from './passwords.ts';
import { WorkQueue } from './work-queue.ts';

const QUICK = { memoryKiB: 64, passes: 1, parallelism: 1 };
const queue = (): WorkQueue => new WorkQueue({ atOnce: 2, waiting: 100 });

/** Counts what is derived. */
class CountingQueue extends WorkQueue {
  count = 0;
  override run<T>(work: () => Promise<T>): Promise<T> {
    this.count += 1;
    return super.run(work);
  }
}

describe('a stored password', () => {
  it('is Argon2id with the parameters of OWASP, as a PHC string with a salt of its own', async () => {
    const passwords = new Passwords(queue());
    const [first, second] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')];

    expect(HASHING).toEqual({ memoryKiB: 19_456, passes: 2, parallelism: 1 });
    expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(first).not.toBe(second);
    expect(await passwords.check('correct horse', first)).toEqual({ matches: true, outdated: false });
    expect(await passwords.check('correct horses', first)).toEqual({ matches: false, outdated: false });
  });

  it('is known again when another implementation has made it', async () => {
    // Out of the reference implementation's own tests (phc-winner-argon2, src/test.c).
    const theirs = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';

    expect(await new Passwords(queue()).check('password', theirs)).toEqual({ matches: true, outdated: true });
  });

  it('with other parameters than today is right, and outdated', async () => {
    const old = await new Passwords(queue(), QUICK).hash('correct horse');

    expect(await new Passwords(queue(), { ...QUICK, passes: 2 }).check('correct horse', old)).toEqual({
      matches: true,
      outdated: true,
    });
  });

  it('is the same however its characters are composed', async () => {
    const passwords = new Passwords(queue(), QUICK);

    expect((await passwords.check('caf\u00e9 au lait', await passwords.hash('cafe\u0301 au lait'))).matches).toBe(true);
  });

  it('that is not there costs as much as one that is, and never matches', async () => {
    const counting = new CountingQueue({ atOnce: 1, waiting: 10 });
    const passwords = new Passwords(counting, QUICK);
    const stored = await passwords.hash('correct horse');
    const before = counting.count;
    await passwords.check('wrong', stored);
    const known = counting.count - before;

    expect((await passwords.check('', null)).matches).toBe(false);
    expect(counting.count - before - known).toBe(known);
  });

  it.for([
    ['what is no hash', 'plain text'],
    ['another function', '$2b$12$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz'],
    [
      'more memory than a row may ask for',
      '$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    ],
    ['more passes', '$argon2id$v=19$m=64,t=999,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'],
  ] as const)('is refused when it is %s', async ([, stored]) => {
    await expect(new Passwords(queue(), QUICK).check('x', stored)).rejects.toThrow(TypeError);
  });
});

describe('the queue before it', () => {
  it('runs so many at once, lets so many wait in order, and turns the rest away at once with a time to come back', async () => {
    const bounded = new WorkQueue({ atOnce: 2, waiting: 3 });
    const ends: (() => void)[] = [];
    const order: number[] = [];
    const jobs = Array.from({ length: 5 }, (_, index) =>
      bounded.run(async () => {
        order.push(index);
        await new Promise<void>((resolve) => ends.push(resolve));
      }),
    );

    expect([bounded.running, bounded.waiting]).toEqual([2, 3]);
    await expect(bounded.run(() => Promise.resolve())).rejects.toMatchObject({
      status: 503,
      code: 'busy',
      headers: { 'retry-after': '2' },
    });
    for (let ended = 0; ended < 5; ended += 1) {
      await expect.poll(() => ends.length).toBeGreaterThan(ended);
      expect(bounded.running).toBeLessThanOrEqual(2);
      ends[ended]?.();
    }
    await Promise.all(jobs);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect([bounded.running, bounded.waiting]).toEqual([0, 0]);
  });

  it('gives the place of work that failed to the next', async () => {
    const bounded = new WorkQueue({ atOnce: 1, waiting: 1 });
    const failed = bounded.run(() => Promise.reject(new Error('no')));
    const after = bounded.run(() => Promise.resolve('done'));

    await expect(failed).rejects.toThrow('no');
    expect(await after).toBe('done');
    expect(bounded.running).toBe(0);
  });
});
