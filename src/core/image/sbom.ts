import type { Component } from '../policy/image/inspection.ts';
import type { Digest } from '../units/quantities.ts';

export interface SbomSubject {
  readonly service: string;
  readonly release: string;
  /** Of the image's configuration. */
  readonly image: Digest;
}

/** Types of package URLs for OSV's names of ecosystems. https://github.com/package-url/purl-spec/blob/main/PURL-TYPES.rst */
const PURL_TYPES: Readonly<Record<string, string>> = {
  npm: 'npm',
  PyPI: 'pypi',
  'crates.io': 'cargo',
  Go: 'golang',
  Debian: 'deb/debian',
  Alpine: 'apk/alpine',
  RubyGems: 'gem',
  Maven: 'maven',
  NuGet: 'nuget',
  Packagist: 'composer',
};

/**
 * The packages of an image as a CycloneDX document. The same image gives the same document, to the byte: nothing of when or where
 * it was written is in it, and its serial number comes from the image's digest.
 *
 * @see https://cyclonedx.org/docs/1.6/json/
 */
export function sbomOf(subject: SbomSubject, components: readonly Component[]): Readonly<Record<string, unknown>> {
  const ordered = components.toSorted((one, other) => compare(keyOf(one), keyOf(other)));
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(subject.image)}`,
    version: 1,
    metadata: {
      component: {
        type: 'container',
        'bom-ref': subject.image,
        name: subject.service,
        version: subject.release,
        hashes: [{ alg: 'SHA-256', content: subject.image.slice('sha256:'.length) }],
      },
    },
    components: ordered.map((component, index) => ({
      type: 'library',
      // Packages may come twice, from two folders.
      'bom-ref': `${index + 1}`,
      name: component.name,
      ...(component.version === null ? {} : { version: component.version }),
      ...purl(component),
      ...(component.licence === null ? {} : { licenses: [licence(component.licence)] }),
      evidence: { occurrences: [{ location: component.where }] },
    })),
  };
}

const keyOf = ({ ecosystem, name, version, where }: Component): string =>
  [ecosystem, name, version ?? '', where].join('\0');

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

function purl({ ecosystem, name, version }: Component): { readonly purl?: string } {
  const type = PURL_TYPES[ecosystem];
  if (type === undefined) return {};
  const path = (ecosystem === 'Maven' ? name.split(':') : name.split('/')).map(encodeURIComponent).join('/');
  return { purl: `pkg:${type}/${path}${version === null ? '' : `@${encodeURIComponent(version)}`}` };
}

/** An SPDX expression has words and signs of its own; what has others is somebody's name for a licence. */
const licence = (text: string): Readonly<Record<string, unknown>> =>
  /^[\w.+\-() ]+$/.test(text) && !/licen[cs]e/i.test(text) ? { expression: text } : { license: { name: text } };

/** A UUID of version 8 (RFC 9562, 5.8) out of a digest. */
function uuidOf(digest: Digest): string {
  const hex = digest.slice('sha256:'.length);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
