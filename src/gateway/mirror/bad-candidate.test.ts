import { spawn } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { RouteTableEntry } from '../../core/route-table.ts';
import { testEntry } from '../testing-entry.ts';
import { startGateway } from '../testing-gateway.ts';
import { askFor, Counted, recordingInstance } from './testing-mirror.ts';

const program = fileURLToPath(
  new URL(`bad-candidate-program${path.extname(fileURLToPath(import.meta.url))}`, import.meta.url),
);
const clients = 4;
const megabyte = 1_048_576;

describe('a candidate that does not keep up', () => {
  const ends: (() => unknown)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  async function candidate(behaviour: string): Promise<number> {
    const child = spawn(process.execPath, [program, behaviour], { stdio: ['pipe', 'pipe', 'inherit'] });
    ends.push(() => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      return ended;
    });
    const text = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve));
    return Number(text.toString());
  }

  /** Milliseconds of each of so many requests of a few clients. */
  async function latencies(port: number, count: number): Promise<number[]> {
    const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
    const found: number[] = [];
    const client = async (): Promise<void> => {
      for (let n = 0; n < count / clients; n += 1) {
        const { status, body, ms } = await askFor(port, '/', { agent });
        expect([status, body]).toEqual([200, 'ok']);
        found.push(ms);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    agent.destroy();
    return found;
  }

  const p99 = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length * 0.99)] ?? 0;

  it.each(['hang', 'slow', 'flood', 'trickle', 'reset'])(
    'costs users nothing when it can only %s',
    async (behaviour) => {
      const stable = await recordingInstance('a');
      ends.push(() => stable.end());
      const port = await candidate(behaviour);
      const without = testEntry({
        endpoints: { blue: [stable.endpoint], green: [{ id: 'b', host: '127.0.0.1', port }] },
      });
      const mirrored: RouteTableEntry = { ...without, mirror: { share: 100, shapes: true } };
      const started = await startGateway([without]);
      ends.push(async () => {
        await started.end();
        expect(started.surprises).toEqual([]);
      });
      const counted = new Counted(started);
      const apply = (entry: RouteTableEntry): void =>
        started.gateway.apply([{ stamp: { epoch: 1, version: 1 }, entry }]);
      await latencies(started.port, 400);
      const memory = process.memoryUsage().rss;
      const [plain, copied]: [number[], number[]] = [[], []];
      // In turn, so that what else this machine does falls on both.
      for (let round = 0; round < 6; round += 1) {
        apply(without);
        plain.push(...(await latencies(started.port, 200)));
        apply(mirrored);
        copied.push(...(await latencies(started.port, 200)));
      }
      const grown = process.memoryUsage().rss - memory;
      const { pairs, skipped } = counted.mirror();
      // What was measured is worth more than that it was below a bound.
      console.info(
        `${behaviour}: p99 ${p99(plain).toFixed(2)} ms without, ${p99(copied).toFixed(2)} ms with copies; ` +
          `${pairs} pairs, ${skipped} skipped; memory ${(grown / megabyte).toFixed(0)} MB`,
      );
      expect(p99(copied)).toBeLessThan(3 * p99(plain) + 20);
      expect(grown).toBeLessThan(96 * megabyte);
      expect(counted.requests('candidate')).toBe(0);
      expect(pairs + skipped).toBeGreaterThan(0);
    },
    60_000,
  );
});
