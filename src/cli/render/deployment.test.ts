import { describe, expect, it } from 'vitest';
import { arm, committed, deployment, leg, NEW, NOW, reverted } from '../../../test/fixtures/views.ts';
import type { DeploymentView } from '../../api/schemas.ts';
import { changeKey, changeLine, deploymentLines, outcomeLines } from './deployment.ts';
import { type Style, widthOf } from './style.ts';

const PLAIN: Style = { colour: false, unicode: true, width: 100 };
const context = (style: Partial<Style> = {}) => ({
  style: { ...PLAIN, ...style },
  now: NOW,
  labels: new Map([[NEW, 'Greet people']]),
});
const show = (view: DeploymentView, style: Partial<Style> = {}): string =>
  deploymentLines(view, context(style)).join('\n');
const end = (view: DeploymentView, style: Partial<Style> = {}): string =>
  outcomeLines(view, context({ width: 400, ...style })).join('\n');

describe('a deployment on the screen', () => {
  it('shows where it is, the weights, both arms, and what it waits for until when', () => {
    const text = show(deployment());
    expect(text).toContain('dep_12 · production · web · 42 s');
    expect(text).toContain('✔ prepare  ✔ start  ✔ check  ● step 2/3  ○ switch  ○ watch  ○ commit');
    expect(text).toMatch(/web +█+░+ +25 %  rel_1122aabb → rel_ab12cd34  Greet people/);
    expect(text).toMatch(/stable +150 req\/s +0 % err  p50 +12 ms  p99 +48 ms  3\/3 ready/);
    expect(text).toMatch(/candidate +50\.1 req\/s .* 1\/1 ready/);
    expect(text).toMatch(/waits for 12 s more of the step at 25 %, until \d\d:\d\d:\d\d \(12 s\)/);
  });

  it('leaves out what it does not pass, and shows a migration only while it migrates', () => {
    expect(show(deployment({ steps: [], phase: 'watching' }))).toContain('✔ check  ✔ switch  ● watch');
    expect(show(deployment())).not.toContain('migrate');
    expect(show(deployment({ phase: 'migrating' }))).toContain('● migrate');
    expect(show(deployment({ phase: 'mirroring' }))).toContain('✔ check  ● mirror');
  });

  it('says why an instance is not ready, in its own words', () => {
    const text = show(deployment({ legs: [leg({ ready: 0, note: 'exited with status 1 after 0.3 s' })] }));
    expect(text).toContain('▲ exited with status 1 after 0.3 s');
  });

  it('says that it is held, since when and why', () => {
    const holds = [{ reason: 'person', since: NOW - 5_000, text: 'paused by ana' }];
    expect(show(deployment({ holds }))).toContain('▲ held for 5 s: paused by ana');
  });

  it('names the evidence when the candidate is worse', () => {
    expect(show(reverted())).toContain('✘ candidate answers 18.2 % of 231 requests with errors, limit 1 %');
  });

  it('shows every leg of a train', () => {
    const text = show(
      deployment({ legs: [leg({ service: 'api' }), leg({ service: 'worker', weight: 0, traffic: null })] }),
    );
    expect(text).toContain('api, worker (train, together)');
    expect(text).toMatch(/^ {2}api {4}/m);
    expect(text).toMatch(/^ {2}worker .* 0 %/m);
  });

  it('shows the first deployment of a service as one from nothing', () => {
    const text = show(deployment({ legs: [leg({ stable: null })] }));
    expect(text).toContain('→ rel_ab12cd34');
    expect(text).not.toContain('stable');
  });

  it.each([20, 40, 60, 80, 120])('never is wider than %i columns', (width) => {
    const views = [
      deployment(),
      committed(),
      reverted(),
      deployment({ phase: 'starting', legs: [leg({ note: 'x'.repeat(200) })] }),
    ];
    for (const view of views)
      for (const line of deploymentLines(view, context({ width, colour: true })))
        expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  it.each([
    [0, 0],
    [1, 1],
    [99, 29],
    [100, 30],
  ])('draws %i %% so that any traffic is seen, and any rest', (weight, filled) => {
    const text = show(deployment({ legs: [leg({ weight })] }), { width: 120 });
    expect(text.split('█')).toHaveLength(filled + 1);
  });

  it('needs neither colours nor signs beyond ASCII', () => {
    const style = { unicode: false, width: 120 };
    for (const view of [deployment(), committed(), reverted()]) {
      const text =
        show({ ...view, legs: view.legs.map((each) => ({ ...each, note: null })) }, style) + end(view, style);
      // oxlint-disable-next-line no-control-regex -- everything that is not ASCII
      expect(text).toMatch(/^[\u0020-\u007E\n]*$/);
    }
  });

  it('has colours when asked', () => {
    expect(show(deployment(), { colour: true })).toContain('\u001B[');
    expect(show(deployment())).not.toContain('\u001B[');
  });
});

describe('the last line', () => {
  it('says what is live, how many requests there were and were lost, and how to go back', () => {
    expect(end(committed())).toMatch(
      /^✔ web is at rel_ab12cd34 \(Greet people\) in production: 4,210 requests during the rollout, 0 lost; old slot warm until .* — `veza rollback web` is one router write\.$/,
    );
  });

  it('names the release to go back to after a rollback, because it is not the one before', () => {
    expect(end(committed({ kind: 'rollback' }))).toContain('`veza rollback web --to rel_1122aabb` is one router write');
  });

  it('does not promise a way back to nothing', () => {
    expect(end(committed({ legs: [leg({ stable: null, weight: 100 })] }))).not.toContain('rollback');
  });

  it('does not promise one router write when the old slot is no longer warm', () => {
    expect(end(committed({ warmUntil: NOW - 1 }))).not.toContain('router write');
  });

  it('counts lost requests, never hides them', () => {
    const traffic = { stable: arm({ totalLost: 2 }), candidate: arm({ totalLost: 1, totalErrors: 4 }) };
    expect(end(committed({ legs: [leg({ weight: 100, traffic })] }))).toContain(
      '4 errors answered by instances, 3 lost',
    );
  });

  it('says why it was taken back and what runs now', () => {
    expect(end(reverted())).toMatch(
      /^✘ dep_12 was taken back after 42 s: candidate answers 18\.2 % .* limit 1 %\. web stays at rel_1122aabb; 1,131 requests .* 42 errors answered by instances, 0 lost\.$/,
    );
  });

  it('names the service at fault in a train', () => {
    const legs = [leg({ service: 'api' }), leg({ service: 'web' })];
    expect(end(reverted({ legs }))).toContain(': web: candidate answers');
    expect(end(reverted({ legs }))).toContain('api and web stay at what they were');
  });

  it('says which deployment goes on when it was superseded', () => {
    const reason = { code: 'superseded', service: null, text: 'dep_13 is newer' };
    expect(end(reverted({ reason, supersededBy: 'dep_13' }))).toContain('`veza watch dep_13`');
  });

  it('says that nothing was touched when it was refused', () => {
    const reason = { code: 'gate-refused', service: null, text: 'the release has not succeeded in staging' };
    expect(end(deployment({ phase: 'refused', endedAt: NOW, reason }))).toContain(
      'nothing was touched: the release has not succeeded in staging. web stays at rel_1122aabb.',
    );
  });

  it('wraps on narrow terminals', () => {
    for (const line of outcomeLines(reverted(), context({ width: 60 }))) expect(widthOf(line)).toBeLessThanOrEqual(62);
  });
});

describe('a line for a log', () => {
  it('says phase, weights, numbers and what it waits for', () => {
    expect(changeLine(deployment(), NOW)).toMatch(
      /^\d\d:\d\d:\d\d dep_12 stepping: web 25 % \(50\.1 req\/s, 0 % errors, p50 12 ms, p99 48 ms\); waits for 12 s more/,
    );
  });

  it('is due when something changed, not when numbers tick', () => {
    const view = deployment();
    const ticked = deployment({
      until: NOW + 11_000,
      waitsFor: '11 s more',
      legs: [leg({ traffic: { stable: arm(), candidate: arm({ totalRequests: 9 }) } })],
    });
    expect(changeKey(ticked)).toBe(changeKey(view));
    for (const changed of [
      deployment({ phase: 'watching' }),
      deployment({ step: 2 }),
      deployment({ legs: [leg({ weight: 50 })] }),
      deployment({ legs: [leg({ ready: 0 })] }),
      deployment({ holds: [{ reason: 'person', since: NOW, text: '' }] }),
    ]) {
      expect(changeKey(changed)).not.toBe(changeKey(view));
    }
  });
});
