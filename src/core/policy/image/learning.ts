/* oxlint-disable no-control-regex -- the bytes by which formats are known */
import { FAMILIES, type Family, MODEL_ENDING, SURE_MODEL_ENDINGS } from './learning-data.ts';
import type { Clue, Component, ImageEntry } from './inspection.ts';
import { type Finding, finding } from './rules.ts';

/** A name as registries compare it: PyPI takes `Foo_Bar`, `foo.bar` and `foo-bar` for one (PEP 503); scopes of npm stay. */
export function normalName(name: string): string {
  const [scope, rest] = name.startsWith('@')
    ? [name.slice(0, name.indexOf('/') + 1), name.slice(name.indexOf('/') + 1)]
    : ['', name];
  return `${scope}${rest.replace(/[-_.]+/g, '-')}`.toLowerCase();
}

interface Banned {
  readonly exact: ReadonlyMap<string, Family>;
  readonly prefixes: readonly (readonly [string, Family])[];
}

const BANNED: Banned = {
  exact: new Map(
    FAMILIES.flatMap((family) =>
      family.packages
        .filter((name) => !name.endsWith('*'))
        .flatMap((name) => [[normalName(name), family] as const, [name, family] as const]),
    ),
  ),
  prefixes: FAMILIES.flatMap((family) =>
    family.packages
      .filter((name) => name.endsWith('*'))
      .map((name) => {
        const stem = name.slice(0, -1);
        // The hyphen or slash before the star is part of what is banned: `torch-*` is not `torchlight`.
        return [/[-/]$/.test(stem) ? stem : normalName(stem), family] as const;
      }),
  ),
};

/** The family of machine learning that a package belongs to; null when it belongs to none. */
export function familyOf(name: string): string | null {
  const normal = normalName(name);
  // Distributions put their prefix before the name: python3-torch, libtorch2.0, r-cran-xgboost.
  const bare = normal.replace(/^(?:python3?|lib|r-cran|golang|node|rust|ruby)-/, '');
  for (const candidate of new Set([normal, name.toLowerCase(), bare])) {
    const exact = BANNED.exact.get(candidate);
    if (exact !== undefined) return exact.family;
    const prefix = BANNED.prefixes.find(([stem]) => candidate.startsWith(stem) && candidate.length > stem.length);
    if (prefix !== undefined) return prefix[1].family;
  }
  return null;
}

const DIST_INFO = /(?:^|\/)([^/]+?)-v?\d[^/-]*(?:-[^/]*)?\.(?:dist-info|egg-info|egg|whl|gem|crate|nupkg)(?:\/|$)/i;
const IN_MODULES = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/gi;
const IN_PACKAGES = /(?:^|\/)(?:site|dist)-packages\/([^/]+)/i;
const IN_REGISTRY = /(?:^|\/)(?:registry\/src\/[^/]+|vendor|crates)\/([A-Za-z][\w-]*?)(?:-\d+\.\d[\w.+-]*)?(?:\/|$)/i;
const IN_GO = /(?:^|\/)(?:pkg\/mod|vendor)\/((?:[\w.-]+\.[a-z]+)\/[^@]+?)(?:@[^/]+)?(?:\/|$)/i;

/**
 * What a path alone says: the folder of a package in any of the places where package managers put them, a library of the
 * system, a file that a framework has under whatever name its folder was given, or the file of a model.
 */
export function learningByPath(path: string, size: number, isFolder: boolean): string | null {
  const lower = path.toLowerCase();
  for (const name of packagesOfPath(path)) {
    const family = familyOf(name);
    if (family !== null) return `${family}: the package ${name}`;
  }
  for (const { family, paths } of FAMILIES)
    if (paths.some((pattern) => pattern.test(lower))) return `${family}: a file of it`;
  const ending = MODEL_ENDING.exec(lower)?.[1];
  if (ending !== undefined && SURE_MODEL_ENDINGS.has(ending) && (size > 0 || isFolder)) return `a model (.${ending})`;
  return null;
}

function packagesOfPath(path: string): readonly string[] {
  return [
    ...[...path.matchAll(IN_MODULES)].map((match) => match[1]),
    DIST_INFO.exec(path)?.[1],
    IN_PACKAGES.exec(path)?.[1]?.replace(/\.(?:py|pyc|pth|so|egg-link)$|-[^/]*\.(?:dist|egg)-info$/i, ''),
    IN_REGISTRY.exec(path)?.[1],
    IN_GO.exec(path)?.[1],
  ].filter((name) => name !== undefined);
}

/** Bytes at the beginning of a file of a model, as Latin-1. */
export function modelByHead(path: string, head: string): string | null {
  if (/^(?:GGUF|ggml|ggjt|lmgg|tjgg|fmgg)/.test(head)) return 'a model (GGML or GGUF)';
  if (head.slice(4, 8) === 'TFL3') return 'a model (TensorFlow Lite)';
  // Eight bytes of length, then JSON: https://github.com/huggingface/safetensors#format
  if (/^[\s\S]{4}\0{4}\{\s*"/.test(head) && /"(?:dtype|__metadata__)"/.test(head)) return 'a model (safetensors)';
  // ModelProto begins with its version of the format and its producer: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
  if (
    /^\x08[\x01-\x20]\x12[\x01-\x40](?:pytorch|tf2onnx|keras2onnx|onnx|skl2onnx|sklearn|paddle|caffe|mxnet|ort)/i.test(
      head,
    )
  )
    return 'a model (ONNX)';
  const ending = MODEL_ENDING.exec(path.toLowerCase())?.[1];
  const isBinary = head.includes('\0') || /^(?:PK\x03\x04|\x80[\x02-\x05]|\x89HDF)/.test(head);
  if (head.startsWith('\u0089HDF\r\n') && /keras|model_weights|layer_names|optimizer_weights/.test(head))
    return 'a model (Keras)';
  // Pickles name the classes that they rebuild.
  if (/^\x80[\x02-\x05]/.test(head)) {
    const names = /(torch|sklearn|xgboost|lightgbm|tensorflow|keras|catboost|joblib)(?:[._]|\b)/.exec(head)?.[1];
    if (names !== undefined) return `a model (pickled, ${names})`;
  }
  return ending !== undefined &&
    isBinary &&
    !['lite', 'npz', 'params', 'plan', 'engine', 'mar', 'ort', 'h5', 'hdf5'].includes(ending)
    ? `a model (.${ending})`
    : null;
}

/** `data.pkl` beside `version` in a ZIP is what `torch.save` writes. */
export function modelByMembers(names: readonly string[]): string | null {
  return names.some((name) => /(?:^|\/)data\.pkl$/.test(name)) &&
    names.some((name) => /(?:^|\/)(?:version|byteorder)$/.test(name))
    ? 'a model (PyTorch)'
    : null;
}

const MARKS = FAMILIES.flatMap(({ family, marks }) => marks.map((mark) => [mark, family] as const));
const ANY_MARK = new RegExp(
  MARKS.map(([mark]) => mark.replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)).join('|'),
  'gi',
);

/** Families whose compiled or bundled code a text contains, with where it begins. */
export function learningInContent(text: string): readonly { readonly what: string; readonly index: number }[] {
  return [...text.matchAll(ANY_MARK)].map((match) => ({
    what: `${MARKS.find(([mark]) => mark === match[0].toLowerCase())?.[1] ?? 'machine learning'}: its code`,
    index: match.index,
  }));
}

/** How many findings of one family are told one by one: a framework has thousands of files. */
const TOLD = 3;

export function checkLearning(
  entries: readonly ImageEntry[],
  clues: readonly Clue[],
  components: readonly Component[],
): readonly Finding[] {
  const found: { readonly what: string; readonly where: string }[] = [];
  for (const component of components) {
    const family = familyOf(component.name);
    if (family !== null) {
      const version = component.version === null ? '' : ` ${component.version}`;
      found.push({
        what: `${family}: the package ${component.name}${version} (${component.ecosystem})`,
        where: component.where,
      });
    }
  }
  for (const entry of entries) {
    if (entry.kind === 'whiteout' || entry.kind === 'opaque') continue;
    const where = `/${entry.path} (layer ${entry.layer + 1})`;
    const what = learningByPath(entry.path, entry.size, entry.kind === 'folder');
    if (what !== null) found.push({ what, where });
    const target = entry.target === null ? null : learningByPath(entry.target.replace(/^\/+/, ''), 0, false);
    if (target !== null) found.push({ what: `a link to ${target}`, where });
  }
  for (const clue of clues) {
    if (clue.kind === 'learning') found.push({ what: clue.what, where: `/${clue.path} (layer ${clue.layer + 1})` });
  }
  return summarised(found);
}

function summarised(found: readonly { readonly what: string; readonly where: string }[]): readonly Finding[] {
  const byFamily = Map.groupBy(found, ({ what }) => what.split(':')[0] ?? what);
  return [...byFamily.values()].flatMap((group) =>
    group.slice(0, TOLD).map(({ what, where }, index) => {
      const more = index === TOLD - 1 && group.length > TOLD ? `, and ${group.length - TOLD} more like it` : '';
      return finding('machine-learning', 'refuse', where, `${what}${more}`);
    }),
  );
}
