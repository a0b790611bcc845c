import { describe, expect, it } from 'vitest';
import { foretold } from '../../../test/fixtures/forecast-view.ts';
import type { ForecastView } from '../../api/forecast-schemas.ts';
import { isRefused, planLines } from '../render/plan.ts';

const style = { colour: false, unicode: true, width: 100 };
const textOf = (view: ForecastView): string => planLines(view, { ...style, width: 200 }).join('\n');

const onlyService = (view: ForecastView) => {
  const [service] = view.services;
  if (service === undefined) throw new RangeError('a service is foretold');
  return service;
};

describe('a plan for people', () => {
  it('says what would come, through which stages, what they see, and that nothing is in the way', () => {
    const text = textOf(foretold());
    expect(text).toContain('to be built  9c1f0a2b Take the discount');
    expect(text).toMatch(/5 % +1 min +1 min +from [\d.]+ %/);
    expect(text).toMatch(/watch 95 % +5 min +5 min/);
    expect(text).toMatch(/found within +.*1 s$/m);
    expect(text).toMatch(/`veza deploy` would bring web live in production in about .+; nothing is in the way\./);
  });

  it('warns in a service with little traffic, and names ways', () => {
    const text = textOf(foretold(1));
    expect(text).toContain('▲');
    expect(text).toContain('- `journeys`');
  });

  it('says that there is no history, and how to get it', () => {
    const view = foretold();
    const unknown = { ...onlyService(view), traffic: null, wellMs: null, warnings: [] };
    const text = textOf({ ...view, services: [unknown] });
    expect(text).toContain('nothing has been observed yet');
    expect(text).not.toContain('SEES FAULTS');
    expect(text).not.toContain('found within');
  });

  it('says of a first release that it goes straight on', () => {
    const view = foretold();
    const first = { ...onlyService(view), live: null, traffic: null };
    expect(textOf({ ...view, services: [first] })).toContain('as soon as its instances are ready');
  });

  it('says that nothing has changed', () => {
    const view = foretold();
    const same = { ...onlyService(view), next: null, commits: [] };
    const text = textOf({ ...view, services: [same], gates: [] });
    expect(text).toContain('the same: nothing has changed since');
    expect(text).toContain('Nothing would be deployed');
  });

  it('names what would refuse it, and what to do', () => {
    const view = foretold();
    const gates: ForecastView['gates'] = [
      {
        service: 'web',
        gate: 'requires',
        state: 'refuses',
        text: 'rel_1 of web has not succeeded in staging',
        hint: 'Deploy it there first.',
      },
    ];
    expect(isRefused(view)).toBe(false);
    expect(isRefused({ ...view, gates })).toBe(true);
    expect(textOf({ ...view, gates })).toMatch(/✘ .*staging\n +Deploy it there first\.[^]*would be refused/);
  });

  it('fits a narrow terminal', () => {
    for (const line of planLines(foretold(1), { ...style, width: 60 })) expect(line.length).toBeLessThanOrEqual(60);
  });
});
