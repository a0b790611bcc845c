import { z } from 'zod';
import type { Component } from './inspection.ts';
import { normalName } from './learning.ts';
import { type Finding, finding } from './rules.ts';
import { compareSemver, comparerOf } from './versions.ts';

// https://ossf.github.io/osv-schema/ : what of an advisory is looked at.

const Range = z.object({
  type: z.string(),
  events: z.array(
    z.object({
      introduced: z.string().optional(),
      fixed: z.string().optional(),
      last_affected: z.string().optional(),
      limit: z.string().optional(),
    }),
  ),
});

export const Advisory = z.object({
  id: z.string(),
  summary: z.string().optional(),
  withdrawn: z.string().optional(),
  aliases: z.array(z.string()).optional(),
  severity: z.array(z.object({ type: z.string(), score: z.string() })).optional(),
  database_specific: z.looseObject({ severity: z.unknown().optional() }).nullish(),
  affected: z
    .array(
      z.object({
        package: z.object({ ecosystem: z.string(), name: z.string() }).optional(),
        versions: z.array(z.string()).optional(),
        ranges: z.array(Range).optional(),
        severity: z.array(z.object({ type: z.string(), score: z.string() })).optional(),
      }),
    )
    .optional(),
});
export type Advisory = z.infer<typeof Advisory>;
type Affected = NonNullable<Advisory['affected']>[number];

export type Severity = 'low' | 'medium' | 'high' | 'critical';
const SEVERITIES: readonly Severity[] = ['low', 'medium', 'high', 'critical'];

/** What was asked about vulnerabilities, and what came back. */
export type VulnerabilityAnswer =
  | {
      readonly kind: 'checked';
      readonly source: string;
      readonly known: readonly KnownVulnerability[];
      readonly incomplete: string | null;
    }
  | { readonly kind: 'not-checked'; readonly why: string };

export interface KnownVulnerability {
  readonly component: Component;
  readonly id: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** null when the advisory says nothing that can be read. */
  readonly severity: Severity | null;
  /** The lowest version that mends it; null when there is none. */
  readonly fixed: string | null;
}

/**
 * Whether an advisory speaks of a component. A version that cannot be compared counts as affected: what is not known to be
 * mended is not.
 *
 * @returns null when it does not
 */
export function matchAdvisory(advisory: Advisory, component: Component): KnownVulnerability | null {
  if (advisory.withdrawn !== undefined || component.version === null) return null;
  const version = component.version;
  const affected = (advisory.affected ?? []).filter(
    (one) => isOf(one, component) && covers(one, version, component.ecosystem),
  );
  const [first] = affected;
  if (first === undefined) return null;
  return {
    component,
    id: advisory.id,
    aliases: advisory.aliases ?? [],
    summary: advisory.summary ?? '',
    severity: severityOf(advisory, first),
    fixed: fixedIn(affected, version, component.ecosystem),
  };
}

function isOf(affected: Affected, component: Component): boolean {
  const { package: named } = affected;
  if (named === undefined) return false;
  const [ecosystem, release] = named.ecosystem.split(':');
  const [ours, ourRelease] = component.ecosystem.split(':');
  if (ecosystem !== ours || (release !== undefined && ourRelease !== undefined && release !== ourRelease)) return false;
  return ecosystem === 'PyPI' ? normalName(named.name) === normalName(component.name) : named.name === component.name;
}

function covers(affected: Affected, version: string, ecosystem: string): boolean {
  const versions = affected.versions ?? [];
  if (versions.includes(version) || versions.includes(version.replace(/^v/, ''))) return true;
  const ranges = (affected.ranges ?? []).filter(({ type }) => type !== 'GIT');
  // Nothing but a name: all versions, as advisories of malicious packages mean it.
  if (ranges.length === 0) return versions.length === 0 && (affected.ranges ?? []).length === 0;
  return ranges.some(({ type, events }) => {
    const compare = type === 'SEMVER' ? compareSemver : comparerOf(ecosystem);
    // An order that is not known: the list of versions, when there is one, is complete.
    return compare === null ? versions.length === 0 : isWithin(events, version, compare);
  });
}

type Event = z.infer<typeof Range>['events'][number];

/** https://ossf.github.io/osv-schema/#evaluation */
function isWithin(
  events: readonly Event[],
  version: string,
  compare: (a: string, b: string) => number | null,
): boolean {
  let isAffected = false;
  const points = events.map((event) => ({ event, at: event.introduced ?? event.fixed ?? event.last_affected ?? '0' }));
  const ordered = points.toSorted((a, b) => (a.at === '0' ? -1 : b.at === '0' ? 1 : (compare(a.at, b.at) ?? 0)));
  for (const { event, at } of ordered) {
    const order = at === '0' ? 1 : compare(version, at);
    if (order === null) return true;
    if (event.introduced !== undefined && order >= 0) isAffected = true;
    if (event.fixed !== undefined && order >= 0) isAffected = false;
    if (event.last_affected !== undefined && order > 0) isAffected = false;
  }
  return isAffected;
}

function fixedIn(affected: readonly Affected[], version: string, ecosystem: string): string | null {
  const compare = comparerOf(ecosystem) ?? compareSemver;
  const fixes = affected
    .flatMap(({ ranges }) => ranges ?? [])
    .filter(({ type }) => type !== 'GIT')
    .flatMap(({ events }) => events.flatMap(({ fixed }) => (fixed === undefined ? [] : [fixed])))
    .filter((fixed) => (compare(fixed, version) ?? 1) > 0);
  return fixes.sort((a, b) => compare(a, b) ?? 0)[0] ?? null;
}

function severityOf(advisory: Advisory, affected: Affected): Severity | null {
  if (advisory.id.startsWith('MAL-')) return 'critical';
  const scores = [...(affected.severity ?? []), ...(advisory.severity ?? [])]
    .filter(({ type }) => type === 'CVSS_V3')
    .map(({ score }) => cvss3(score))
    .filter((score) => score !== null);
  if (scores.length > 0) return ofScore(Math.max(...scores));
  const named = advisory.database_specific?.severity;
  if (typeof named !== 'string') return null;
  const lower = named.toLowerCase();
  return lower === 'moderate' ? 'medium' : (SEVERITIES.find((severity) => severity === lower) ?? null);
}

/** https://www.first.org/cvss/v3.1/specification-document#Qualitative-Severity-Rating-Scale */
const ofScore = (score: number): Severity =>
  score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : 'low';

const WEIGHTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  AV: { N: 0.85, A: 0.62, L: 0.55, P: 0.2 },
  AC: { L: 0.77, H: 0.44 },
  UI: { N: 0.85, R: 0.62 },
  C: { H: 0.56, L: 0.22, N: 0 },
  I: { H: 0.56, L: 0.22, N: 0 },
  A: { H: 0.56, L: 0.22, N: 0 },
};
const PRIVILEGES = { U: { N: 0.85, L: 0.62, H: 0.27 }, C: { N: 0.85, L: 0.68, H: 0.5 } } as const;

/**
 * The base score of a CVSS 3.0 or 3.1 vector: https://www.first.org/cvss/v3.1/specification-document, section 7.1.
 *
 * @returns null when the vector cannot be read
 */
export function cvss3(vector: string): number | null {
  if (!/^CVSS:3\.[01]\//.test(vector)) return null;
  const metrics = new Map(
    vector
      .split('/')
      .slice(1)
      .map((part) => [part.split(':')[0] ?? '', part.split(':')[1] ?? ''] as const),
  );
  const weight = (metric: string): number => WEIGHTS[metric]?.[metrics.get(metric) ?? ''] ?? Number.NaN;
  const scope = metrics.get('S');
  const privilege = metrics.get('PR');
  if ((scope !== 'U' && scope !== 'C') || (privilege !== 'N' && privilege !== 'L' && privilege !== 'H')) return null;
  const base = 1 - (1 - weight('C')) * (1 - weight('I')) * (1 - weight('A'));
  const impact = scope === 'U' ? 6.42 * base : 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15;
  const exploitability = 8.22 * weight('AV') * weight('AC') * PRIVILEGES[scope][privilege] * weight('UI');
  const total = scope === 'U' ? impact + exploitability : 1.08 * (impact + exploitability);
  if (Number.isNaN(total)) return null;
  return impact <= 0 ? 0 : roundUp(Math.min(total, 10));
}

/** Appendix A: the smallest number with one decimal that is not lower, without the errors of floating point. */
function roundUp(value: number): number {
  const scaled = Math.round(value * 100_000);
  return scaled % 10_000 === 0 ? scaled / 100_000 : (Math.floor(scaled / 10_000) + 1) / 10;
}

export interface VulnerabilityPolicy {
  /** The lowest severity that refuses a release; null refuses none. */
  readonly refuseFrom: Severity | null;
  /** Whether a release is refused when nothing could be looked up. */
  readonly refuseUnchecked: boolean;
}

export function checkVulnerabilities(answer: VulnerabilityAnswer, policy: VulnerabilityPolicy): readonly Finding[] {
  const severity = policy.refuseUnchecked ? 'refuse' : 'warn';
  if (answer.kind === 'not-checked')
    return [finding('not-checked', severity, 'vulnerabilities', `not checked: ${answer.why}`)];
  const found = unique(answer.known).map((known) => described(known, policy));
  return answer.incomplete === null
    ? found
    : [...found, finding('not-checked', severity, 'vulnerabilities', `not checked in full: ${answer.incomplete}`)];
}

/** One hole has an advisory in several databases. */
function unique(known: readonly KnownVulnerability[]): readonly KnownVulnerability[] {
  const kept: KnownVulnerability[] = [];
  for (const one of known) {
    const names = new Set([one.id, ...one.aliases]);
    const isKnown = kept.some(
      (other) =>
        other.component.name === one.component.name &&
        other.component.version === one.component.version &&
        other.component.ecosystem === one.component.ecosystem &&
        [other.id, ...other.aliases].some((name) => names.has(name)) &&
        (other.severity !== null || one.severity === null),
    );
    if (!isKnown) kept.push(one);
  }
  return kept;
}

function described(known: KnownVulnerability, policy: VulnerabilityPolicy): Finding {
  const { component, id, aliases, summary, severity, fixed } = known;
  const isRefused =
    policy.refuseFrom !== null &&
    severity !== null &&
    SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(policy.refuseFrom);
  const cve = aliases.find((alias) => alias.startsWith('CVE-'));
  const name = cve === undefined || cve === id ? id : `${id} (${cve})`;
  return finding(
    isRefused ? 'vulnerability' : 'vulnerability-minor',
    isRefused ? 'refuse' : 'warn',
    `${component.name} ${component.version ?? ''} (${component.ecosystem})`,
    `${name}, ${severity ?? 'of unknown severity'}${summary === '' ? '' : `: ${summary}`}`,
    fixed === null
      ? 'No version mends it yet: replace the package, or record an exception with its reason and an end.'
      : `Take ${component.name} ${fixed} or later.`,
  );
}
