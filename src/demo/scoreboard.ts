import { countText } from '../cli/render/numbers.ts';
import { paint, type Style } from '../cli/render/style.ts';
import { table } from '../cli/render/table.ts';
import type { TrafficCounts, TrafficReport } from './traffic.ts';

/** What counts in a scene. */
export interface Costs {
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
  /** Chat messages that somebody did not see; known at the end of all scenes. */
  readonly chatMissing: number;
  readonly loggedOut: number;
  readonly failedByRelease: number;
}

/** What a scene of the demo cost, and how it ended. */
export interface SceneResult extends Costs {
  readonly title: string;
  readonly outcome: string;
  readonly good: boolean;
  readonly seconds: number;
}

/** The figures of `demo-report.json`. */
export interface DemoReport extends Costs {
  readonly slow: number;
  readonly chatMessages: number;
  readonly chatReconnects: number;
  readonly sessions: number;
  readonly audioBytesCompared: number;
  /** From the first request on the failing release to stable at 100 %. */
  readonly rollbackSeconds: number | null;
  readonly durationSeconds: number;
}

export function costsOf(counts: TrafficCounts): Costs {
  const { requests, lost, wrong, chat, loggedOut, failedByRelease } = counts;
  return { requests, lost, wrong, chatMissing: chat.missing, loggedOut, failedByRelease };
}

export const difference = (before: Costs, after: Costs): Costs => ({
  requests: after.requests - before.requests,
  lost: after.lost - before.lost,
  wrong: after.wrong - before.wrong,
  chatMissing: after.chatMissing - before.chatMissing,
  loggedOut: after.loggedOut - before.loggedOut,
  failedByRelease: after.failedByRelease - before.failedByRelease,
});

export function demoReport(report: TrafficReport, rollbackSeconds: number | null, durationSeconds: number): DemoReport {
  return {
    ...costsOf(report),
    slow: report.slow,
    chatMessages: report.chat.acknowledged,
    chatReconnects: report.chat.reconnects,
    sessions: report.sessions,
    audioBytesCompared: report.audioBytes,
    rollbackSeconds,
    durationSeconds,
  };
}

/** The table at the end. */
export function scoreboard(scenes: readonly SceneResult[], all: Costs, style: Style): readonly string[] {
  const zero = (value: number): string => paint(style, value === 0 ? 'green' : 'red', countText(value));
  const costs = (its: Costs, requests: string): readonly string[] =>
    its.requests === 0
      ? ['-', '-', '-', '-', '-', '-']
      : [
          requests,
          zero(its.lost),
          zero(its.wrong),
          zero(its.chatMissing),
          zero(its.loggedOut),
          countText(its.failedByRelease),
        ];
  const rows = scenes.map((scene) => [
    scene.title,
    paint(style, scene.good ? 'green' : 'red', scene.outcome),
    `${scene.seconds.toFixed(1)} s`,
    ...costs(scene, countText(scene.requests)),
  ]);
  const seconds = scenes.reduce((sum, scene) => sum + scene.seconds, 0);
  rows.push([
    paint(style, 'bold', 'all'),
    '',
    `${seconds.toFixed(1)} s`,
    ...costs(all, paint(style, 'bold', countText(all.requests))),
  ]);
  return table(
    style,
    [
      { title: 'WHAT' },
      { title: 'ENDED' },
      { title: 'TOOK', align: 'right' },
      { title: 'REQUESTS', align: 'right' },
      { title: 'LOST', align: 'right' },
      { title: 'WRONG', align: 'right' },
      { title: 'CHAT LOST', align: 'right' },
      { title: 'LOGGED OUT', align: 'right' },
      { title: 'FAILED BY IT', align: 'right' },
    ],
    rows,
  );
}
