import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configurationChanges } from './changes.ts';

describe('what differs between two configurations', () => {
  it('is every key that was added, removed or changed, with its values', () => {
    const before = {
      instances: 2,
      strategy: { kind: 'canary', steps: [5, 25] },
      environment: { LOG: 'info', OLD: '1' },
    };
    const after = {
      instances: 3,
      strategy: { kind: 'canary', steps: [5, 50] },
      environment: { LOG: 'info', NEW: '2' },
    };
    expect(configurationChanges(before, after, [])).toEqual([
      { key: 'environment.NEW', kind: 'added', before: null, after: '"2"', masked: false },
      { key: 'environment.OLD', kind: 'removed', before: '"1"', after: null, masked: false },
      { key: 'instances', kind: 'changed', before: '2', after: '3', masked: false },
      { key: 'strategy.steps', kind: 'changed', before: '[5,25]', after: '[5,50]', masked: false },
    ]);
  });

  it('is nothing for the same', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        expect(configurationChanges(value, value, [])).toEqual([]);
      }),
    );
  });

  it('does not show what may be a secret: by its name, by its form, because it is known to be one', () => {
    const values = (n: number) => ({
      environment: {
        API_KEY: `key${n}`,
        DATABASE: `postgres://app:pa55${n}@db/shop`,
        GREETING: `hi topsecret ${n}`,
        LIMIT: `${n}`,
      },
    });
    const changes = configurationChanges(values(1), values(2), ['topsecret']);
    expect(changes.filter(({ masked }) => masked).map(({ key }) => key)).toEqual([
      'environment.API_KEY',
      'environment.DATABASE',
      'environment.GREETING',
    ]);
    expect(JSON.stringify(changes)).not.toMatch(/key1|pa55|topsecret/);
    expect(changes.find(({ key }) => key === 'environment.LIMIT')).toMatchObject({ before: '"1"', after: '"2"' });
  });

  it('shows which secret is referred to: its name is none', () => {
    const changes = configurationChanges(
      { environment: { TOKEN: { secret: 'OLD_TOKEN' } } },
      { environment: { TOKEN: { secret: 'NEW_TOKEN' } } },
      [],
    );
    expect(changes).toEqual([
      { key: 'environment.TOKEN.secret', kind: 'changed', before: '"OLD_TOKEN"', after: '"NEW_TOKEN"', masked: false },
    ]);
  });
});
