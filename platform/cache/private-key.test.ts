import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPrivateKeys } from './private-key.ts';

const SECRET = 's'.repeat(32);

it('makes a key in which nobody can be recognised', () => {
  const person = randomUUID();

  const key = createPrivateKeys(SECRET).of('taste', person);

  expect(key).toMatch(/^taste:[\w-]{22}$/);
  for (const part of person.split('-')) expect(key).not.toContain(part);
});

it('makes the same key in every instance that has the secret, and another one under another secret or kind', () => {
  const person = randomUUID();
  const key = createPrivateKeys(SECRET).of('taste', person);

  expect(createPrivateKeys(SECRET).of('taste', person)).toBe(key);
  expect(createPrivateKeys('t'.repeat(32)).of('taste', person)).not.toBe(key);
  expect(createPrivateKeys(SECRET).of('x', person).slice(2)).not.toBe(key.slice(6));
});
