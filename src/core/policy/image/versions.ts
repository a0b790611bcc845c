// Orders of versions as each ecosystem defines them, for ranges of advisories.

/** Negative when `a` comes before `b`; null when they cannot be compared. */
export type CompareVersions = (a: string, b: string) => number | null;

const SEMVER = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([\w.-]+))?(?:\+[\w.-]*)?$/;

/** https://semver.org/#spec-item-11, taking `1.2` for `1.2.0` and `0` for the beginning of everything, as OSV does. */
export const compareSemver: CompareVersions = (a, b) => {
  const [left, right] = [SEMVER.exec(a.trim()), SEMVER.exec(b.trim())];
  if (left === null || right === null) return null;
  for (const part of [1, 2, 3]) {
    const order = Number(left[part] ?? 0) - Number(right[part] ?? 0);
    if (order !== 0) return order;
  }
  return comparePrerelease(left[4], right[4]);
};

function comparePrerelease(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 1 : 0) - (b === undefined ? 1 : 0);
  const [left, right] = [a.split('.'), b.split('.')];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const [one, other] = [left[index], right[index]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const [isNumber, otherIsNumber] = [/^\d+$/.test(one), /^\d+$/.test(other)];
    if (isNumber && otherIsNumber && Number(one) !== Number(other)) return Number(one) - Number(other);
    if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
    if (one !== other && !isNumber) return one < other ? -1 : 1;
  }
  return 0;
}

const PEP440 =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)[-_.]?(?:(a|alpha|b|beta|c|rc|pre|preview)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+[a-z0-9._-]+)?$/;
const PRE: Readonly<Record<string, number>> = { a: 0, alpha: 0, b: 1, beta: 1, c: 2, rc: 2, pre: 2, preview: 2 };

/** https://packaging.python.org/en/latest/specifications/version-specifiers/, without local versions, which do not differ here. */
export const comparePep440: CompareVersions = (a, b) => {
  const [left, right] = [pep440(a), pep440(b)];
  if (left === null || right === null) return null;
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const order = (left[index] ?? 0) - (right[index] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
};

/** Numbers whose order is that of the versions. */
function pep440(version: string): readonly number[] | null {
  const match = PEP440.exec(version.trim().toLowerCase());
  if (match === null) return null;
  const [, epoch = '0', release = '', pre, preNumber, dashed, post, postNumber, dev, devNumber] = match;
  const parts = release.split('.').map(Number);
  const padded = Array.from({ length: 12 }, (_, index) => parts[index] ?? 0);
  const hasPost = dashed !== undefined || post !== undefined;
  // dev of a release comes before its pre-releases, those before it, and posts after it.
  const stage = pre !== undefined ? (PRE[pre] ?? 0) : dev !== undefined && !hasPost ? -1 : 3;
  return [
    Number(epoch),
    ...padded,
    stage,
    Number(preNumber === undefined || preNumber === '' ? 0 : preNumber),
    hasPost ? 1 + Number(dashed ?? (postNumber === undefined || postNumber === '' ? 0 : postNumber)) : 0,
    dev === undefined ? Number.MAX_SAFE_INTEGER : Number(devNumber === undefined || devNumber === '' ? 0 : devNumber),
  ];
}

/** Epoch, upstream version and revision: deb-version(7). */
export const compareDebian: CompareVersions = (a, b) => {
  const [left, right] = [debian(a), debian(b)];
  return (
    left.epoch - right.epoch || debianPart(left.upstream, right.upstream) || debianPart(left.revision, right.revision)
  );
};

function debian(version: string): { readonly epoch: number; readonly upstream: string; readonly revision: string } {
  const [, epoch = '0', rest = ''] = /^(?:(\d+):)?(.*)$/.exec(version.trim()) ?? [];
  const cut = rest.lastIndexOf('-');
  return cut === -1
    ? { epoch: Number(epoch), upstream: rest, revision: '0' }
    : { epoch: Number(epoch), upstream: rest.slice(0, cut), revision: rest.slice(cut + 1) };
}

function debianPart(a: string, b: string): number {
  let [left, right] = [a, b];
  while (left !== '' || right !== '') {
    const [leftWord = '', rightWord = ''] = [/^\D*/.exec(left)?.[0], /^\D*/.exec(right)?.[0]];
    const order = debianWord(leftWord, rightWord);
    if (order !== 0) return order;
    [left, right] = [left.slice(leftWord.length), right.slice(rightWord.length)];
    const [leftNumber = '', rightNumber = ''] = [/^\d*/.exec(left)?.[0], /^\d*/.exec(right)?.[0]];
    if (Number(leftNumber) !== Number(rightNumber)) return Number(leftNumber) - Number(rightNumber);
    [left, right] = [left.slice(leftNumber.length), right.slice(rightNumber.length)];
  }
  return 0;
}

/** `~` comes before the end of a part, letters before everything else. */
function debianWord(a: string, b: string): number {
  const rank = (text: string, index: number): number => {
    const code = text.charCodeAt(index);
    if (Number.isNaN(code)) return 0;
    if (text[index] === '~') return -1;
    return /[A-Za-z]/.test(text[index] ?? '') ? code : code + 256;
  };
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const order = rank(a, index) - rank(b, index);
    if (order !== 0) return order;
  }
  return 0;
}

/** @param ecosystem as OSV calls it, with or without its release (`Debian:12`) */
export function comparerOf(ecosystem: string): CompareVersions | null {
  const [name] = ecosystem.split(':');
  switch (name) {
    case 'npm':
    case 'crates.io':
    case 'Go':
    case 'Hex':
    case 'Pub':
      return compareSemver;
    case 'PyPI':
      return comparePep440;
    case 'Debian':
    case 'Ubuntu':
      return compareDebian;
    default:
      return null;
  }
}
