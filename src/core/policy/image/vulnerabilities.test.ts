import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareDebian, comparePep440, compareSemver } from './versions.ts';
import { type Advisory, checkVulnerabilities, cvss3, matchAdvisory } from './vulnerabilities.ts';

const component = (version: string, ecosystem = 'npm', name = 'lodash') => ({
  ecosystem,
  name,
  version,
  licence: null,
  where: 'the SBOM',
});

const advisory = (events: object[], more: Partial<Advisory> = {}): Advisory => ({
  id: 'GHSA-1',
  aliases: ['CVE-2021-1'],
  summary: 'Command injection',
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  affected: [{ package: { ecosystem: 'npm', name: 'lodash' }, ranges: [{ type: 'SEMVER', events }] }],
  ...more,
});

describe('an order of versions', () => {
  it.each([
    [
      compareSemver,
      [
        '0.0.1',
        '1.0.0-alpha',
        '1.0.0-alpha.1',
        '1.0.0-alpha.beta',
        '1.0.0-beta.2',
        '1.0.0-beta.11',
        '1.0.0-rc.1',
        '1.0.0',
        '1.2',
        '1.10.0',
      ],
    ],
    [comparePep440, ['1.dev0', '1.0a1', '1.0b2', '1.0rc1', '1.0', '1.0.post1', '1.1.dev1', '1.1', '1!0.1']],
    [compareDebian, ['1.0~rc1-1', '1.0-1', '1.0-1+deb12u1', '1.0-2', '1.0a-1', '1.0+dfsg-1', '1.10-1', '1:0.1-1']],
  ] as const)('is that of its ecosystem', (compare, ascending) => {
    const order = fc.nat(ascending.length - 1);
    fc.assert(
      fc.property(order, order, (a, b) => {
        expect(Math.sign(compare(ascending[a] ?? '', ascending[b] ?? '') ?? Number.NaN)).toBe(Math.sign(a - b));
      }),
    );
  });
});

describe('an advisory', () => {
  const lines = [{ introduced: '0' }, { fixed: '4.17.21' }, { introduced: '5.0.0' }, { last_affected: '5.0.2' }];
  it.each([
    ['4.17.20', true],
    ['4.17.21', false],
    ['4.18.0', false],
    ['5.0.0-rc.1', false],
    ['5.0.0', true],
    ['5.0.2', true],
    ['5.0.3', false],
    ['not a version', true],
  ])('speaks of %s: %s', (version, expected) => {
    expect(matchAdvisory(advisory(lines), component(version)) !== null).toBe(expected);
    expect(matchAdvisory(advisory(lines.toReversed()), component(version)) !== null).toBe(expected);
  });
  it('says what mends it', () => {
    expect(matchAdvisory(advisory(lines), component('4.0.0'))).toMatchObject({
      fixed: '4.17.21',
      severity: 'critical',
    });
  });
  it('that was withdrawn, or is of another package or ecosystem, speaks of nothing', () => {
    expect(matchAdvisory(advisory(lines, { withdrawn: '2024-01-01T00:00:00Z' }), component('4.0.0'))).toBeNull();
    expect(matchAdvisory(advisory(lines), component('4.0.0', 'npm', 'lodash-es'))).toBeNull();
    expect(matchAdvisory(advisory(lines), component('4.0.0', 'PyPI'))).toBeNull();
  });
  it('of a malicious package is of all its versions, and critical', () => {
    const malicious = { id: 'MAL-2025-1', affected: [{ package: { ecosystem: 'npm', name: 'lodash' } }] };
    expect(matchAdvisory(malicious, component('9.9.9'))).toMatchObject({ severity: 'critical' });
  });
});

describe('the score of a CVSS vector', () => {
  // Examples of https://www.first.org/cvss/v3.1/examples
  it.each([
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1],
    ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N', 6.4],
    ['CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N', 3.1],
    ['CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L', 4.2],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 9.8],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', 10],
    ['CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N', 0],
  ])('%s is %d', (vector, score) => {
    expect(cvss3(vector)).toBe(score);
  });
  it.each(['', 'CVSS:4.0/AV:N', 'CVSS:3.1/AV:N', 'CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'])(
    '%s cannot be read',
    (vector) => {
      expect(cvss3(vector)).toBeNull();
    },
  );
});

describe('what is known', () => {
  const known = (severity: 'low' | 'high' | null) => ({
    component: component('4.0.0'),
    id: `GHSA-${severity}`,
    aliases: [],
    summary: '',
    severity,
    fixed: '5.0.0',
  });
  const policy = { refuseFrom: 'high', refuseUnchecked: false } as const;
  it('refuses from the severity on that the platform says, and names the version that mends it', () => {
    const findings = checkVulnerabilities(
      { kind: 'checked', source: 'x', known: [known('low'), known('high'), known(null)], incomplete: null },
      policy,
    );
    expect(findings.map(({ severity, next }) => [severity, next])).toEqual([
      ['warn', 'Take lodash 5.0.0 or later.'],
      ['refuse', 'Take lodash 5.0.0 or later.'],
      ['warn', 'Take lodash 5.0.0 or later.'],
    ]);
  });
  it('is told once, though two databases have it', () => {
    const twice = [known('high'), { ...known('high'), id: 'CVE-1', aliases: ['GHSA-high'] }];
    expect(checkVulnerabilities({ kind: 'checked', source: 'x', known: twice, incomplete: null }, policy)).toHaveLength(
      1,
    );
  });
});
