import { describe, expect, it } from 'vitest';
import { keptConnectionMs } from '../../../core/emit/haproxy/config.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import { LeavingStreams, type StreamsGateway } from './leaving-streams.ts';

const settings: GatewaySettings = {
  workers: 1,
  http: { host: '127.0.0.1', port: 1 },
  https: null,
  accessLog: null,
  lingerMs: 5_000,
};

function given() {
  const signal = new AbortController().signal;
  const gateway = { since: 0, upgrades: 0 };
  const asked: number[] = [];
  const leaving = new LeavingStreams();
  const streams = new Map<number, number>();
  const look = (pids: readonly (readonly [pid: number, leftForMs: number])[], now: number): Promise<boolean> =>
    leaving.look(
      pids.map(([pid, leftForMs]) => ({ pid, leftForMs })),
      now,
      async (pid) => {
        asked.push(pid);
        return streams.get(pid) ?? 0;
      },
      {
        health: async () => ({ since: gateway.since, settings }),
        upgrade: async (wanted: GatewaySettings) => {
          expect(wanted).toEqual(settings);
          gateway.upgrades += 1;
          gateway.since = now;
        },
      } as unknown as StreamsGateway,
      signal,
    );
  return { gateway, asked, streams, look };
}

describe('streams through a replaced process', () => {
  it('are told once kept connections cannot bring new ones, and only once', async () => {
    const { gateway, asked, streams, look } = given();
    streams.set(7, 3);
    expect(await look([[7, 0]], 1_000)).toBe(false);
    expect(await look([[7, 0]], 1_000 + keptConnectionMs - 1)).toBe(false);
    expect(asked).toEqual([]);
    expect(await look([[7, 0]], 1_000 + keptConnectionMs)).toBe(true);
    expect(await look([[7, 0]], 5_000 + keptConnectionMs)).toBe(false);
    expect(gateway.upgrades).toBe(1);
  });

  it('cost nothing when there are none', async () => {
    const { gateway, look } = given();
    expect(await look([[7, keptConnectionMs]], 1_000)).toBe(false);
    expect(gateway.upgrades).toBe(0);
  });

  it('are told by one replacement after many reloads in a row', async () => {
    const { gateway, streams, look } = given();
    const reloads = Array.from({ length: 20 }, (_, i) => [i + 1, (20 - i) * 100] as const);
    for (const [pid] of reloads) streams.set(pid, 1);
    const now = 1_000_000;
    expect(await look(reloads, now)).toBe(false);
    expect(await look(reloads, now + keptConnectionMs)).toBe(true);
    expect(await look(reloads, now + keptConnectionMs + 1_000)).toBe(false);
    expect(gateway.upgrades).toBe(1);
  });

  it('know how long ago their process was replaced when nobody has watched', async () => {
    const { streams, look } = given();
    streams.set(7, 1);
    expect(await look([[7, keptConnectionMs]], 1_000_000)).toBe(true);
  });

  it('are not told again by a second control plane', async () => {
    const { gateway, streams, look } = given();
    streams.set(7, 1);
    gateway.since = 1_000_000;
    expect(await look([[7, keptConnectionMs + 10]], 1_000_005)).toBe(false);
    expect(gateway.upgrades).toBe(0);
  });

  it('begin anew with a process that has the id of an earlier one', async () => {
    const { gateway, streams, look } = given();
    streams.set(7, 1);
    expect(await look([[7, keptConnectionMs]], 1_000_000)).toBe(true);
    expect(await look([], 1_001_000)).toBe(false);
    expect(await look([[7, 0]], 1_002_000)).toBe(false);
    expect(await look([[7, 0]], 1_002_000 + keptConnectionMs)).toBe(true);
    expect(gateway.upgrades).toBe(2);
  });
});
