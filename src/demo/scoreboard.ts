import type { LoadReport, LoadSnapshot } from '../load/report.ts';
import { countText } from '../cli/render/numbers.ts';
import { paint, type Style } from '../cli/render/style.ts';
import { table } from '../cli/render/table.ts';

/** What a scene of the demo cost, and how it ended. */
export interface SceneResult {
  readonly title: string;
  readonly outcome: string;
  readonly good: boolean;
  readonly seconds: number;
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
  readonly failedByRelease: number;
}

/** The figures of `demo-report.json`. */
export interface DemoReport {
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
  readonly failedByRelease: number;
  /** From the first request on the failing release to stable at 100 %. */
  readonly rollbackSeconds: number | null;
  readonly durationSeconds: number;
}

type Counts = Pick<LoadSnapshot, 'requests' | 'lost' | 'wrong' | 'failedByRelease'>;

export const difference = (before: Counts, after: Counts): Counts => ({
  requests: after.requests - before.requests,
  lost: after.lost - before.lost,
  wrong: after.wrong - before.wrong,
  failedByRelease: after.failedByRelease - before.failedByRelease,
});

export function demoReport(load: LoadReport, rollbackSeconds: number | null, durationSeconds: number): DemoReport {
  const { requests, lost, wrong, failedByRelease } = load;
  return { requests, lost, wrong, failedByRelease, rollbackSeconds, durationSeconds };
}

/** The table at the end. */
export function scoreboard(scenes: readonly SceneResult[], load: LoadReport, style: Style): readonly string[] {
  const zero = (value: number): string => paint(style, value === 0 ? 'green' : 'red', countText(value));
  const rows = scenes.map((scene) => [
    scene.title,
    paint(style, scene.good ? 'green' : 'red', scene.outcome),
    `${scene.seconds.toFixed(1)} s`,
    scene.requests === 0 ? '-' : countText(scene.requests),
    scene.requests === 0 ? '-' : zero(scene.lost),
    scene.requests === 0 ? '-' : zero(scene.wrong),
    scene.requests === 0 ? '-' : countText(scene.failedByRelease),
  ]);
  const seconds = scenes.reduce((sum, scene) => sum + scene.seconds, 0);
  rows.push([
    paint(style, 'bold', 'all'),
    '',
    `${seconds.toFixed(1)} s`,
    paint(style, 'bold', countText(load.requests)),
    zero(load.lost),
    zero(load.wrong),
    countText(load.failedByRelease),
  ]);
  return table(
    style,
    [
      { title: 'WHAT' },
      { title: 'HOW IT ENDED' },
      { title: 'TOOK', align: 'right' },
      { title: 'REQUESTS', align: 'right' },
      { title: 'LOST', align: 'right' },
      { title: 'WRONG', align: 'right' },
      { title: 'FAILED BY IT', align: 'right' },
    ],
    rows,
  );
}
