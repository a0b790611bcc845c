import type { Component } from './inspection.ts';
import { type LicenceExpression, parseLicence } from './licence-expression.ts';
import { type Finding, finding } from './rules.ts';

export interface LicencePolicy {
  /** SPDX identifiers without `-only`, `-or-later` and `+`; a trailing `*` stands for anything. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Ecosystems whose packages become part of the service; the system's own programs only lie beside it. */
  readonly ecosystems: readonly string[];
}

export const DEFAULT_LICENCES: LicencePolicy = {
  allow: (
    'MIT MIT-0 ISC 0BSD BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear Apache-2.0 Apache-1.1 ' +
    'Unlicense CC0-1.0 CC-BY-3.0 CC-BY-4.0 WTFPL Zlib libpng-2.0 Python-2.0 Python-2.0.1 PSF-2.0 PostgreSQL BlueOak-1.0.0 ' +
    'Artistic-2.0 BSL-1.0 Unicode-3.0 Unicode-DFS-2016 OFL-1.1 X11 curl OpenSSL NTP ICU HPND MPL-2.0 LGPL-2.1 LGPL-3.0 EPL-2.0 CDDL-1.1'
  ).split(' '),
  deny: 'AGPL-* GPL-* SSPL-* BUSL-* Elastic-* CC-BY-NC-* CC-BY-ND-* CPAL-* EUPL-* OSL-* RPL-* Sleepycat Commons-Clause PolyForm-* Confluent-* RSAL-* Hippocratic-*'.split(
    ' ',
  ),
  ecosystems: ['npm', 'PyPI', 'crates.io', 'Go', 'RubyGems', 'Maven', 'NuGet', 'Packagist'],
};

/** With these the GPL does not reach what is linked to the work. */
const LINKING_EXCEPTIONS =
  /^(?:Classpath|GCC|Linux-syscall|LLVM|OpenJDK-assembly|Bison|Font|Autoconf|GPL-3\.0-linking|FLTK|Qt-LGPL|Universal-FOSS)/i;

export type LicenceVerdict = 'denied' | 'unknown' | 'allowed';
const ORDER: readonly LicenceVerdict[] = ['denied', 'unknown', 'allowed'];

/** Of alternatives the best counts, of what applies together the worst. */
export function judgeLicence(expression: LicenceExpression, policy: LicencePolicy): LicenceVerdict {
  if (expression.kind === 'licence') return judgeOne(expression.id, expression.exception, policy);
  const verdicts = [judgeLicence(expression.left, policy), judgeLicence(expression.right, policy)];
  const ranks = verdicts.map((verdict) => ORDER.indexOf(verdict));
  return ORDER[expression.kind === 'or' ? Math.max(...ranks) : Math.min(...ranks)] ?? 'unknown';
}

function judgeOne(id: string, exception: string | null, policy: LicencePolicy): LicenceVerdict {
  if (matches(policy.allow, id)) return 'allowed';
  if (!matches(policy.deny, id)) return 'unknown';
  return exception !== null && /^GPL-/i.test(id) && LINKING_EXCEPTIONS.test(exception) ? 'allowed' : 'denied';
}

function matches(list: readonly string[], id: string): boolean {
  const lower = id.toLowerCase();
  return list.some((wanted) => {
    const want = wanted.toLowerCase();
    return want.endsWith('*') ? lower.startsWith(want.slice(0, -1)) : lower === want;
  });
}

/** What registries hold that was written before SPDX, or beside it. */
const FORMER_NAMES: Readonly<Record<string, string>> = {
  'mit license': 'MIT',
  'the mit license': 'MIT',
  'mit/x11': 'MIT',
  'apache 2.0': 'Apache-2.0',
  'apache license 2.0': 'Apache-2.0',
  'apache license, version 2.0': 'Apache-2.0',
  'apache software license': 'Apache-2.0',
  'mit/apache-2.0': 'MIT OR Apache-2.0',
  'apache-2.0/mit': 'MIT OR Apache-2.0',
  bsd: 'BSD-3-Clause',
  'bsd license': 'BSD-3-Clause',
  'new bsd': 'BSD-3-Clause',
  'public domain': 'CC0-1.0',
  gplv2: 'GPL-2.0',
  gplv3: 'GPL-3.0',
  'gnu gpl': 'GPL-3.0',
};

export function checkLicences(components: readonly Component[], policy: LicencePolicy): readonly Finding[] {
  const unknown: Component[] = [];
  const denied: Finding[] = [];
  for (const component of components) {
    if (!policy.ecosystems.includes(component.ecosystem)) continue;
    const { licence } = component;
    const expression = licence === null ? null : parseLicence(FORMER_NAMES[licence.trim().toLowerCase()] ?? licence);
    const verdict = expression === null ? 'unknown' : judgeLicence(expression, policy);
    if (verdict === 'denied') {
      denied.push(finding('licence', 'refuse', component.where, `${described(component)}: ${licence ?? ''}`));
    } else if (verdict === 'unknown') {
      unknown.push(component);
    }
  }
  return [...denied, ...summarised(unknown)];
}

/** One finding for each licence that is not known, and one for what names none, by ecosystem: hundreds of lines are not read. */
function summarised(unknown: readonly Component[]): readonly Finding[] {
  const groups = Map.groupBy(unknown, ({ ecosystem, licence }) => `${ecosystem}\n${licence ?? ''}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const names = group.slice(0, 3).map(({ name, version }) => (version === null ? name : `${name} ${version}`));
    const more = group.length > names.length ? ` and ${group.length - names.length} more` : '';
    const licence = first.licence ?? 'no licence is named';
    const where = group.length === 1 ? first.where : `packages of ${first.ecosystem}`;
    return [finding('licence-unknown', 'warn', where, `${licence}: ${names.join(', ')}${more}`)];
  });
}

const described = ({ name, version, ecosystem }: Component): string =>
  `${name}${version === null ? '' : ` ${version}`} (${ecosystem})`;
