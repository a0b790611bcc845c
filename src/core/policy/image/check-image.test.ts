import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkImage, type ImagePolicy } from './check-image.ts';
import type { ImageConfig, ImageEntry, ImageInspection } from './inspection.ts';
import { DEFAULT_LICENCES } from './licences.ts';
import { IMAGE_RULES } from './rules.ts';

const NOW = Date.parse('2027-03-01T12:00:00Z');
const HEX = 'a'.repeat(64);
const CHECKED = { kind: 'checked', source: 'nothing', known: [], incomplete: null } as const;

const policy: ImagePolicy = {
  licences: DEFAULT_LICENCES,
  vulnerabilities: { refuseFrom: 'high', refuseUnchecked: false },
  exceptions: [],
};

const GOOD_CONFIG: ImageConfig = {
  user: '10001:10001',
  env: ['PATH=/usr/local/bin:/usr/bin'],
  command: ['/usr/local/bin/node', 'main.js'],
  labels: {
    'org.opencontainers.image.source': 'https://git.example/veza',
    'org.opencontainers.image.revision': '0123456789abcdef0123456789abcdef01234567',
    'org.opencontainers.image.title': 'api',
    'org.opencontainers.image.base.name': 'registry.example/node:24',
    'org.opencontainers.image.base.digest': `sha256:${HEX}`,
  },
  history: [],
};

const file = (path: string, more: Partial<ImageEntry> = {}): ImageEntry => ({
  layer: 0,
  path,
  kind: 'file',
  size: 10,
  mode: 0o444,
  uid: 0,
  gid: 0,
  target: null,
  capable: false,
  ...more,
});

const image = (more: Partial<ImageInspection> = {}): ImageInspection => ({
  config: GOOD_CONFIG,
  layers: 2,
  entries: [file('app', { kind: 'folder', mode: 0o555 }), file('app/main.js')],
  clues: [],
  components: [],
  references: [],
  unread: [],
  ...more,
});

const judge = (inspection: ImageInspection, exceptions: ImagePolicy['exceptions'] = [], now = NOW) =>
  checkImage(inspection, CHECKED, { ...policy, exceptions }, 'api', now);

const rulesOf = (inspection: ImageInspection): readonly string[] =>
  judge(inspection).findings.map(({ rule, severity }) => `${severity} ${rule}`);

describe('an image as it should be', () => {
  it('passes without a word', () => {
    expect(judge(image())).toEqual({ findings: [], excused: [], passes: true });
  });
});

describe('who an image runs as', () => {
  it.each([
    '',
    'root',
    '0',
    '0:0',
    'node',
    'node:node',
    '999',
    '-1',
    '+1000',
    '1000 ',
    '01000',
    '0x3e8',
    '1e4',
    '4294967296',
    '4294967295',
    '1000:node',
  ])('is refused as %j', (user) => {
    expect(rulesOf(image({ config: { ...GOOD_CONFIG, user } }))).toEqual(['refuse root-user']);
  });
  it.each(['1000', '10001', '10001:10001', '65534:65534'])('passes as %j', (user) => {
    expect(rulesOf(image({ config: { ...GOOD_CONFIG, user } }))).toEqual([]);
  });
});

describe('references', () => {
  const base = (name: string, digest: string | null) =>
    judge(image({ references: [{ what: 'base', name, digest }] })).findings.map(({ rule, next }) => [rule, next]);
  it('names the digest to use when it is known', () => {
    expect(base('registry.example:5000/node:latest', `sha256:${HEX}`)).toEqual([
      ['floating-reference', `Write \`registry.example:5000/node@sha256:${HEX}\`.`],
    ]);
  });
  it.each(['node', 'node:latest', 'node:24', 'registry.example:5000/node', 'node@sha256:abc', 'node@md5:1', 'node@'])(
    'refuses %s of which no digest is known',
    (name) => {
      expect(base(name, null).map(([rule]) => rule)).toEqual(['floating-reference']);
    },
  );
  it('refuses a digest that is not the one that was used', () => {
    expect(base(`node@sha256:${HEX}`, `sha256:${'b'.repeat(64)}`)).toHaveLength(1);
  });
  it('passes a digest', () => {
    expect(base(`node:24@sha256:${HEX}`, null)).toEqual([]);
  });
});

describe('files', () => {
  it.each<[string, Partial<ImageEntry>, string[]]>([
    ['app/tool', { mode: 0o4555 }, ['refuse setuid']],
    ['usr/bin/su', { mode: 0o4755 }, ['warn setuid']],
    ['opt/usr/bin/su', { mode: 0o4755 }, ['refuse setuid']],
    ['usr/bin/thing', { mode: 0o2755 }, ['refuse setuid']],
    ['usr/bin/thing', { mode: 0o755, capable: true }, ['refuse setuid']],
    ['etc/passwd', { mode: 0o666 }, ['refuse world-writable']],
    ['tmp', { kind: 'folder', mode: 0o1777 }, []],
    ['tmp', { kind: 'folder', mode: 0o777 }, ['refuse world-writable']],
    ['lib', { kind: 'symlink', mode: 0o777, target: 'usr/lib' }, []],
    ['app/main.js', { uid: 10_001 }, ['refuse changeable-code']],
    ['app/main.js', { gid: 10_001, mode: 0o464 }, ['refuse changeable-code']],
    ['app/main.js', { gid: 10_001, mode: 0o444 }, []],
    ['srv/data', { kind: 'folder', uid: 10_001, mode: 0o755 }, []],
    ['bin/sh', { kind: 'symlink', mode: 0o777, target: 'dash' }, ['warn shell']],
    ['usr/bin/BusyBox', {}, []],
  ])('/%s with %j', (path, more, expected) => {
    expect(rulesOf(image({ entries: [file(path, more)] }))).toEqual(expected);
  });
  it('are judged as a container sees them: a layer may mend what one below it has', () => {
    const bad = file('app/tool', { mode: 0o4555 });
    expect(rulesOf(image({ entries: [bad, file('app/tool', { layer: 1, mode: 0o555 })] }))).toEqual([]);
    expect(rulesOf(image({ entries: [bad, file('app', { layer: 1, kind: 'whiteout' })] }))).toEqual([]);
  });
});

describe('secrets', () => {
  it('are found in a layer although a later one deletes the file, which is said', () => {
    const clue = {
      kind: 'secret',
      severity: 'refuse',
      layer: 0,
      path: 'app/.npmrc',
      what: 'a token of npm',
      line: 1,
    } as const;
    const [found] = judge(
      image({ clues: [clue], entries: [file('app/.npmrc'), file('app/.npmrc', { layer: 1, kind: 'whiteout' })] }),
    ).findings;
    expect(found).toMatchObject({ rule: 'secret', severity: 'refuse', where: '/app/.npmrc, line 1 (layer 1)' });
    expect(found?.found).toBe('a token of npm; layer 2 hides it, but the layer has it');
  });

  // What is found must never be told, wherever it was and whatever stands around it.
  it('are never in what is said about them', () => {
    const random = fc.string({
      unit: fc.constantFrom(...'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789'.split('')),
      minLength: 36,
      maxLength: 36,
    });
    const name = fc.constantFrom('JWT_SECRET', 'DB_PASSWORD', 'NPM_TOKEN', 'API_KEY', 'KEY_RING');
    const holder = fc.constantFrom('env', 'label', 'label name', 'history', 'command', 'path', 'reference', 'link');
    fc.assert(
      fc.property(random, name, holder, fc.boolean(), (secret, variable, where, isKnownFormat) => {
        const value = isKnownFormat ? `ghp_${secret}` : secret;
        const assignment = `${variable}=${value}`;
        const config: ImageConfig = {
          ...GOOD_CONFIG,
          ...(where === 'env' ? { env: [assignment] } : {}),
          ...(where === 'label' ? { labels: { ...GOOD_CONFIG.labels, note: assignment } } : {}),
          ...(where === 'label name' ? { labels: { ...GOOD_CONFIG.labels, [`ghp_${secret}`]: 'x' } } : {}),
          ...(where === 'history' ? { history: [`|1 ${assignment} /bin/sh -c npm ci`] } : {}),
          ...(where === 'command' ? { command: ['/bin/tool', `--token=${value}`] } : {}),
        };
        const entries =
          where === 'path'
            ? [file(`app/ghp_${secret}.onnx`)]
            : where === 'link'
              ? [file('x', { kind: 'symlink', target: `/ghp_${secret}/torch/__init__.py` })]
              : [];
        const references =
          where === 'reference'
            ? [{ what: 'base' as const, name: `https://bob:${value}@registry.example/node`, digest: null }]
            : [];
        const { findings, passes } = judge(image({ config, entries, references }));
        expect(passes).toBe(false);
        expect(JSON.stringify(findings)).not.toContain(secret);
      }),
    );
  });

  it.each([
    'NODE_ENV=production',
    'JWT_SECRET=',
    'JWT_SECRET=${JWT_SECRET}',
    'JWT_SECRET_FILE=/run/secrets/jwt',
    'TOKEN_TTL=3600',
    'PWD=/home/somebody',
    'API_KEY=<your key>',
    'AUTH=true',
  ])('are not suspected in %s', (variable) => {
    expect(rulesOf(image({ config: { ...GOOD_CONFIG, env: [variable] } }))).toEqual([]);
  });
  it('warns of a weak default, which is a secret that everybody knows', () => {
    expect(rulesOf(image({ config: { ...GOOD_CONFIG, env: ['POSTGRES_PASSWORD=password'] } }))).toEqual([
      'warn secret-suspected',
    ]);
  });
});

describe('what cannot be read', () => {
  it('is refused: no check passes because it saw nothing (14.1)', () => {
    expect(rulesOf(image({ unread: [{ path: 'app/x.xz', layer: 1, why: 'packed with xz' }] }))).toEqual([
      'refuse unread',
    ]);
  });
  it('is only warned of for vulnerabilities, unless the platform says otherwise', () => {
    const answer = { kind: 'not-checked', why: 'no OSV data is configured' } as const;
    const strict = { ...policy, vulnerabilities: { refuseFrom: 'high', refuseUnchecked: true } } as const;
    expect(checkImage(image(), answer, policy, 'api', NOW)).toMatchObject({
      passes: true,
      findings: [{ rule: 'not-checked', found: 'not checked: no OSV data is configured' }],
    });
    expect(checkImage(image(), answer, strict, 'api', NOW).passes).toBe(false);
  });
});

describe('exceptions', () => {
  const shell = image({ entries: [file('app/tool', { mode: 0o4555 })] });
  const exception = {
    rule: 'setuid',
    service: 'api',
    where: '/app/tool (layer 1)',
    reason: 'The tool must bind a low port.',
    by: 'Ada',
    until: '2027-03-01',
  } as const;
  it('let a finding pass until the end of their last day, and say whose decision it was', () => {
    const judged = judge(shell, [exception], Date.parse('2027-03-01T23:59:59.999Z'));
    expect(judged).toMatchObject({ passes: true, findings: [], excused: [{ exception: { by: 'Ada' } }] });
  });
  it('excuse nothing once they have run out, which is refused', () => {
    const judged = judge(shell, [exception], Date.parse('2027-03-02T00:00:00Z'));
    expect(judged.findings.map(({ rule }) => rule)).toEqual(['setuid', 'exception-expired']);
  });
  it('with an end that is no day excuse nothing', () => {
    expect(judge(shell, [{ ...exception, until: '2027-02-30' }]).passes).toBe(false);
  });
  it('of another service, rule or place excuse nothing', () => {
    for (const other of [{ service: 'chat' }, { rule: 'shell' as const }, { where: '/app/other*' }]) {
      expect(judge(shell, [{ ...exception, ...other }]).passes).toBe(false);
    }
  });
  it('are told when there is nothing left to excuse', () => {
    expect(judge(image(), [exception]).findings.map(({ rule }) => rule)).toEqual(['exception-unused']);
  });
});

describe('every rule', () => {
  it.each(Object.entries(IMAGE_RULES))('%s says what it asks, where the guide asks it, and what to do', (_, rule) => {
    expect(rule.asks).toMatch(/\.$/);
    expect(rule.guide).toMatch(/^(?:rule \d+|\d+\.\d+)$/);
    expect(rule.next.length).toBeGreaterThan(15);
  });
});
