import { z } from 'zod';
import type { Component } from './inspection.ts';

// Packages of an image, out of its SBOM and out of the files that package managers leave behind.

const Licences = z
  .array(
    z.object({
      expression: z.string().optional(),
      license: z.object({ id: z.string().optional(), name: z.string().optional() }).optional(),
    }),
  )
  .optional();

/** Of CycloneDX (1.4 to 1.6) only what is needed: https://cyclonedx.org/docs/1.6/json/ */
const Bom = z.object({
  bomFormat: z.literal('CycloneDX'),
  components: z
    .array(
      z.object({
        group: z.string().optional(),
        name: z.string(),
        version: z.string().optional(),
        purl: z.string().optional(),
        licenses: Licences,
      }),
    )
    .optional(),
});

/**
 * The components of a CycloneDX document.
 *
 * @param document parsed JSON
 * @returns null when it is none, which must not be taken for an empty one
 */
export function componentsOfSbom(document: unknown): readonly Component[] | null {
  const bom = Bom.safeParse(document);
  if (!bom.success) return null;
  return (bom.data.components ?? []).map((component) => {
    const purl = component.purl === undefined ? null : parsePurl(component.purl);
    const licences = (component.licenses ?? []).map(
      ({ expression, license }) => expression ?? license?.id ?? license?.name ?? '',
    );
    const named = licences.filter((licence) => licence !== '');
    const grouped =
      component.group === undefined || component.group === '' ? component.name : `${component.group}/${component.name}`;
    return {
      ecosystem: purl?.ecosystem ?? 'unknown',
      name: purl?.name ?? grouped,
      version: purl?.version ?? component.version ?? null,
      licence:
        named.length === 0
          ? null
          : named.length === 1
            ? (named[0] ?? null)
            : named.map((licence) => `(${licence})`).join(' AND '),
      where: 'the SBOM',
    };
  });
}

const ECOSYSTEMS: Readonly<Record<string, string>> = {
  npm: 'npm',
  pypi: 'PyPI',
  cargo: 'crates.io',
  golang: 'Go',
  deb: 'Debian',
  apk: 'Alpine',
  gem: 'RubyGems',
  maven: 'Maven',
  nuget: 'NuGet',
  composer: 'Packagist',
};

/** https://github.com/package-url/purl-spec */
function parsePurl(
  purl: string,
): { readonly ecosystem: string; readonly name: string; readonly version: string | null } | null {
  const match = /^pkg:\/*([a-z0-9.+-]+)\/([^?#]+)/i.exec(purl);
  if (match === null) return null;
  const [, type = '', rest = ''] = match;
  const at = rest.lastIndexOf('@');
  const [path, version] = at <= 0 ? [rest, null] : [rest.slice(0, at), rest.slice(at + 1)];
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
  const kind = type.toLowerCase();
  const name =
    kind === 'deb' || kind === 'apk' ? (parts.at(-1) ?? '') : kind === 'maven' ? parts.join(':') : parts.join('/');
  return { ecosystem: ECOSYSTEMS[kind] ?? 'unknown', name, version: version === null ? null : decoded(version) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Files that say which packages are there; their text is read as a whole. */
export const MANIFEST_FILE =
  /(?:^|\/)node_modules\/(?:[^/]+\/)*package\.json$|(?:^|\/)package\.json$|\.dist-info\/METADATA$|\.egg-info(?:\/PKG-INFO)?$|^var\/lib\/dpkg\/status(?:\.d\/[^/]+)?$|^lib\/apk\/db\/installed$|(?:^|\/)Cargo\.lock$/i;

const PackageJson = z.object({
  name: z.string().min(1),
  version: z.string().optional(),
  license: z.union([z.string(), z.object({ type: z.string() })]).optional(),
  licenses: z.array(z.object({ type: z.string() })).optional(),
});

/** The packages that a file speaks of; none when it is not what its name says. */
export function componentsOfFile(path: string, text: string): readonly Component[] {
  const where = `/${path}`;
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  if (name === 'package.json') return ofPackageJson(text, where);
  if (name === 'metadata' || name === 'pkg-info' || name.endsWith('.egg-info')) return ofPython(text, where);
  if (name === 'cargo.lock') return ofCargo(text, where);
  if (name === 'installed') return ofAlpine(text, where);
  return ofDebian(text, where);
}

function ofPackageJson(text: string, where: string): readonly Component[] {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return [];
  }
  const parsed = PackageJson.safeParse(json);
  if (!parsed.success) return [];
  const { name, version, license, licenses } = parsed.data;
  // Without a version it is no package but says how a folder's files are to be read.
  if (version === undefined) return [];
  const several = (licenses ?? []).map(({ type }) => type).join(' OR ');
  const licence = typeof license === 'string' ? license : (license?.type ?? (several === '' ? null : several));
  return [{ ecosystem: 'npm', name, version, licence, where }];
}

/** https://packaging.python.org/en/latest/specifications/core-metadata/ */
function ofPython(text: string, where: string): readonly Component[] {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const field = (wanted: string): string | null =>
    new RegExp(`^${wanted}:[ \\t]*(.+?)[ \\t]*\\r?$`, 'im').exec(head)?.[1] ?? null;
  const name = field('Name');
  if (name === null) return [];
  const classified = /^Classifier: License ::(?: OSI Approved ::)? (.+?)(?: License)?\s*$/im.exec(head)?.[1] ?? null;
  return [
    {
      ecosystem: 'PyPI',
      name,
      version: field('Version'),
      licence: field('License-Expression') ?? field('License') ?? classified,
      where,
    },
  ];
}

function ofCargo(text: string, where: string): readonly Component[] {
  return [...text.matchAll(/\[\[package\]\]\s+name = "([^"\n]+)"\s+version = "([^"\n]+)"/g)].map(
    ([, name = '', version = '']) => ({
      ecosystem: 'crates.io',
      name,
      version,
      licence: null,
      where,
    }),
  );
}

function ofAlpine(text: string, where: string): readonly Component[] {
  return text.split(/\n\n+/).flatMap((block) => {
    const name = /^P:(.+)$/m.exec(block)?.[1];
    return name === undefined
      ? []
      : [
          {
            ecosystem: 'Alpine',
            name,
            version: /^V:(.+)$/m.exec(block)?.[1] ?? null,
            licence: /^L:(.+)$/m.exec(block)?.[1] ?? null,
            where,
          },
        ];
  });
}

/** deb-control(5). OSV names Debian's packages by their source. */
function ofDebian(text: string, where: string): readonly Component[] {
  return text.split(/\n\n+/).flatMap((block) => {
    const field = (wanted: string): string | null => new RegExp(`^${wanted}: (.+)$`, 'm').exec(block)?.[1] ?? null;
    const name = field('Package');
    if (name === null || /deinstall|not-installed/.test(field('Status') ?? '')) return [];
    const [, source = name, sourceVersion = null] = /^(\S+)(?: \((.+)\))?$/.exec(field('Source') ?? '') ?? [];
    const binary = { ecosystem: 'Debian', name, version: field('Version'), licence: null, where };
    return source === name
      ? [binary]
      : [binary, { ...binary, name: source, version: sourceVersion ?? field('Version') }];
  });
}

/** Packages that a compiled program names: modules of Go (its build information), crates of Rust (paths in its panics). */
export function componentsOfProgram(text: string, path: string): readonly Component[] {
  const where = `/${path}`;
  const go = [...text.matchAll(/\b(?:dep|mod)\t([\w.~-]+(?:\/[\w.~-]+)+)\t(v\d[\w.+-]*)/g)];
  const rust = [...text.matchAll(/\/registry\/src\/[\w.-]+\/([a-z][\w-]*?)-(\d+\.\d+\.\d+[\w.+-]*?)\//g)];
  const all = [
    ...go.map(([, name = '', version = '']) => ({ ecosystem: 'Go', name, version, licence: null, where })),
    ...rust.map(([, name = '', version = '']) => ({ ecosystem: 'crates.io', name, version, licence: null, where })),
  ];
  return [...new Map(all.map((component) => [`${component.name}@${component.version}`, component])).values()];
}
