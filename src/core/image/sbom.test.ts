import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { componentsOfSbom } from '../policy/image/components.ts';
import type { Component } from '../policy/image/inspection.ts';
import type { Digest } from '../units/quantities.ts';
import { sbomOf } from './sbom.ts';

const subject = { service: 'api', release: 'rel_1', image: `sha256:${'0123456789abcdef'.repeat(4)}` as Digest };

const name = fc.stringMatching(/^[a-z][a-z0-9._+-]{0,12}$/);
const component: fc.Arbitrary<Component> = fc.record({
  ecosystem: fc.constantFrom('npm', 'PyPI', 'crates.io', 'Debian', 'Alpine', 'RubyGems', 'NuGet'),
  name,
  version: fc.option(fc.stringMatching(/^[0-9][0-9A-Za-z.+~:@ %-]{0,10}$/)),
  licence: fc.option(fc.constantFrom('MIT', 'MIT OR Apache-2.0', '(MIT AND ISC)', 'SEE LICENSE IN x', 'Own terms, 2')),
  where: fc.constantFrom('/app/package.json', '/var/lib/dpkg/status'),
});

describe('the SBOM of an image', () => {
  it('says every package as it was found', () => {
    fc.assert(
      fc.property(fc.array(component), (components) => {
        const read = componentsOfSbom(JSON.parse(JSON.stringify(sbomOf(subject, components)))) ?? [];
        const plain = (list: readonly Component[]): readonly string[] =>
          list
            .map(({ ecosystem, name: called, version, licence }) =>
              JSON.stringify([ecosystem, called, version, licence]),
            )
            .toSorted();
        expect(plain(read)).toEqual(plain(components));
      }),
    );
  });

  it('is the same to the byte whatever order packages were found in', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(component, {
          selector: (each) => [each.ecosystem, each.name, each.version, each.where].join('\0'),
        }),
        (components) => {
          expect(JSON.stringify(sbomOf(subject, components.toReversed()))).toBe(
            JSON.stringify(sbomOf(subject, components)),
          );
        },
      ),
    );
  });

  it('names scoped packages and the image as others expect them', () => {
    const scoped = {
      ecosystem: 'npm',
      name: '@scope/pack',
      version: '1.0.0',
      licence: 'MIT',
      where: '/app/package.json',
    };
    expect(sbomOf(subject, [scoped])).toMatchObject({
      bomFormat: 'CycloneDX',
      serialNumber: 'urn:uuid:01234567-89ab-8def-8123-456789abcdef',
      components: [{ purl: 'pkg:npm/%40scope/pack@1.0.0', licenses: [{ expression: 'MIT' }] }],
    });
  });
});
