import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Changes } from './changes.ts';

test('many changes within a turn are told once, with the latest value, and the same value is not told again', async () => {
  const changes = new Changes<string>();
  const heard: string[] = [];
  const leave = changes.subscribe((value) => heard.push(value));
  let value = 'first';
  const read = (): string => value;
  changes.note('a', read);
  changes.note('a', read);
  value = 'second';
  changes.note('b', () => 'other');
  expect(heard).toEqual([]);
  await turn();
  expect(heard).toEqual(['second', 'other']);
  changes.note('a', read);
  await turn();
  expect(heard).toHaveLength(2);
  leave();
  value = 'third';
  changes.note('a', read);
  await turn();
  expect(heard).toHaveLength(2);
});

test('the same function may listen twice and leave once', async () => {
  const changes = new Changes<number>();
  let calls = 0;
  const listener = (): number => (calls += 1);
  const leave = changes.subscribe(listener);
  changes.subscribe(listener);
  leave();
  changes.note('a', () => 1);
  await turn();
  expect(calls).toBe(1);
});
