import { describe, expect, test } from 'vitest';
import type { LoadReport } from '../../src/load/report.ts';
import { lossPage, rowOf } from './report.ts';
import { actionsOf, type LossResult, type Segment } from './run.ts';

const segment = (action: Segment['action'], byKind: Readonly<Record<string, number>> = {}): Segment => ({
  action,
  requests: 100,
  lost: Object.values(byKind).reduce((sum, count) => sum + count, 0),
  wrong: 0,
  byKind,
});

function resultOf(...segments: readonly Segment[]): LossResult {
  const all: Record<string, number> = {};
  for (const { byKind } of segments) {
    for (const [kind, count] of Object.entries(byKind)) all[kind] = (all[kind] ?? 0) + count;
  }
  const report = {
    requests: 400,
    lost: Object.values(all).reduce((sum, count) => sum + count, 0),
    wrong: 0,
    lostByKind: all,
    operations: { ws: { lost: all['websocket-closed'] ?? 0 }, events: { lost: 0 }, upload: { lost: 0 } },
    acknowledged: { complete: true, missing: 0 },
  } as unknown as LoadReport;
  const practice = { deployment: 'd', replacement: 'r', kill: 'k' };
  return { router: 'some router', manner: 'plain', practice, segments, report };
}

describe('what is done to a router', () => {
  test('given 10 deployments and 3 replacements, replacements are among them and the kill is before the last one', () => {
    const actions = actionsOf({ deployments: 10, replacements: 3 });
    expect(actions.filter((action) => action === 'deployment')).toHaveLength(10);
    expect(actions.filter((action) => action === 'replacement')).toHaveLength(3);
    expect(actions.slice(-2)).toEqual(['kill', 'deployment']);
    expect(actions.indexOf('replacement')).toBeGreaterThan(0);
    expect(actions.join()).not.toContain('replacement,replacement');
  });

  test('given one deployment and nothing else, there is still the kill', () => {
    expect(actionsOf({ deployments: 1, replacements: 0 })).toEqual(['kill', 'deployment']);
  });
});

describe('what counts as lost', () => {
  test('given connections that the kill broke, they are counted apart', () => {
    const row = rowOf(resultOf(segment('deployment'), segment('kill', { reset: 3, 'websocket-closed': 2 })));
    expect(row).toMatchObject({ lost: 0, byTheKill: 5, webSocketsCut: 2 });
  });

  test('given connections refused during the kill, they are lost: a listening socket need not die with a process', () => {
    const row = rowOf(resultOf(segment('kill', { reset: 3, refused: 4, 'proxy-error': 1, timeout: 1 })));
    expect(row).toMatchObject({ lost: 6, byTheKill: 3, otherwise: 6, refused: 4 });
  });

  test('given the same break in a deployment or a replacement, it is lost there', () => {
    const row = rowOf(resultOf(segment('deployment', { 'websocket-closed': 2 }), segment('replacement', { reset: 1 })));
    expect(row).toMatchObject({ lost: 3, inDeployments: 2, inReplacements: 1, otherwise: 0, byTheKill: 0 });
  });

  test('the page has a row for each run and says what was done', () => {
    const page = lossPage([resultOf(segment('deployment', { reset: 7 }))], 'here and now');
    expect(page).toContain('| some router | 400 | **7** | 7 |');
    expect(page).toContain('| some router | d | r | k |');
  });
});
