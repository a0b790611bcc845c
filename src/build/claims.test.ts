import { describe, expect, it } from 'vitest';
import { ReleaseClaimedError } from '../errors.ts';
import { Claims } from './claims.ts';

const never = new AbortController().signal;

describe('claims', () => {
  it('keep what is used from being removed until the last user lets go', () => {
    const claims = new Claims();
    const first = claims.use('a');
    const second = claims.use('a');
    first();
    first();
    expect(claims.tryRemove('a')).toBeNull();
    expect(claims.tryRemove('b')).not.toBeNull();
    second();
    expect(claims.tryRemove('a')).not.toBeNull();
  });

  it('refuse users and a second remover while something is being removed', () => {
    const claims = new Claims();
    const letGo = claims.tryRemove('a');
    expect(() => claims.use('a')).toThrow(ReleaseClaimedError);
    expect(claims.tryRemove('a')).toBeNull();
    letGo?.();
    claims.use('a')();
  });

  it('let a user wait for the end of a removal, or give up', async () => {
    const claims = new Claims();
    const letGo = claims.tryRemove('a');
    const order: string[] = [];
    const waiting = claims.useWhenFree('a', never).then((release) => {
      order.push('used');
      return release;
    });
    const abort = new AbortController();
    const givenUp = claims.useWhenFree('a', abort.signal);
    abort.abort(new Error('enough'));
    await expect(givenUp).rejects.toThrow('enough');
    order.push('removed');
    letGo?.();
    (await waiting)();
    expect(order).toEqual(['removed', 'used']);
    await expect(claims.useWhenFree('a', abort.signal)).rejects.toThrow('enough');
  });
});
