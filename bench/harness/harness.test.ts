import { describe, expect, test } from 'vitest';
import { asBench, type Figure } from './bench.ts';
import { commitOf, thisMachine, type Machine } from './circumstances.ts';
import { resultOf } from './result.ts';
import { shown, tableOf } from './table.ts';

const machine: Machine = {
  cpu: 'A CPU',
  cores: 2,
  memoryMb: 4096,
  system: 'linux 6.1 x64',
  node: 'v24.0.0',
  load: 0.5,
};
const bench = { name: 'control', description: 'time per step' };
const result = (...figures: Figure[]) =>
  resultOf(bench, figures, {
    machine,
    commit: { id: '0123456789abcdef', dirty: true },
    date: '2026-01-01T00:00:00.000Z',
    durationSeconds: 1,
  });

describe('a result', () => {
  test('given a peer in the same run, it has the ratio to it', () => {
    const { figures } = result({ name: 'p99', value: 20, unit: 'ms', peer: { name: 'other 1.0', value: 80 } });
    expect(figures[0]?.ratio).toBe(0.25);
  });

  test('given no peer, or a peer that measured 0, there is no ratio', () => {
    const { figures } = result(
      { name: 'a', value: 20, unit: 'ms' },
      { name: 'b', value: 20, unit: 'ms', peer: { name: 'other', value: 0 } },
    );
    expect(figures.map(({ ratio }) => ratio)).toEqual([null, null]);
  });

  test.each([
    [{ atMost: 50 }, 50, true],
    [{ atMost: 50 }, 50.1, false],
    [{ atLeast: 10 }, 10, true],
    [{ atLeast: 10 }, 9, false],
  ])('given the goal %j, %d says met: %s', (goal, value, met) => {
    expect(result({ name: 'a', value, unit: 'ms', goal }).figures[0]?.met).toBe(met);
  });

  test('given nothing measured, or a value that is no number, the benchmark has failed', () => {
    expect(() => result()).toThrow('control returned no figures');
    expect(() => result({ name: 'p99', value: Number.NaN, unit: 'ms' })).toThrow('"p99" is NaN');
    expect(() => result({ name: 'a', value: 1, unit: 'ms', peer: { name: 'x', value: Infinity } })).toThrow(
      'of x is Infinity',
    );
  });
});

describe('the table', () => {
  test('given figures with goal and peer, it says value, whether the goal was met, and the ratio', () => {
    const table = tableOf(
      result(
        { name: 'step, p99', value: 12.3456, unit: 'ms', goal: { atMost: 50 } },
        { name: 'memory', value: 412, unit: 'MB', goal: { atMost: 300 } },
        { name: 'requests', value: 1234.5, unit: 'req/s', peer: { name: 'haproxy 2.6', value: 2469 } },
      ),
    );
    expect(table.split('\n')).toEqual([
      'control: time per step',
      '  step, p99      12.3 ms  goal <= 50 ms: met',
      '  memory          412 MB  goal <= 300 MB: MISSED',
      '  requests   1,235 req/s                          haproxy 2.6 2,469 req/s, ratio 0.5',
      '  A CPU, 2 cores, 4096 MB, linux 6.1 x64, Node v24.0.0; commit 0123456789ab with changes',
    ]);
  });

  test.each([
    [0, '0'],
    [0.001234, '0.00123'],
    [1.005, '1'],
    [99.94, '99.9'],
    [1234567, '1,234,567'],
  ])('shows %d as %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });
});

describe('a benchmark file', () => {
  const run = async (): Promise<Figure[]> => [];

  test('given all three exports, it is a benchmark', () => {
    expect(asBench({ ...bench, run }, '/b/control.bench.ts').name).toBe('control');
  });

  test.each([
    [{ description: 'd', run }, 'exports no name'],
    [{ name: 'control', run }, 'exports no description'],
    [{ ...bench }, 'exports no run function'],
    [{ name: 'other', description: 'd', run }, 'make them the same'],
  ])('given one that lacks something, it says what: %#', (module, message) => {
    expect(() => asBench(module, '/b/control.bench.ts')).toThrow(message);
  });
});

describe('the circumstances', () => {
  test('they name this machine and, inside a work tree, its commit', () => {
    expect(thisMachine()).toMatchObject({ node: process.version, cores: expect.any(Number) });
    expect(commitOf('/')).toBeNull();
  });
});
