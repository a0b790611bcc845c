import type { Component } from '../../core/policy/image/inspection.ts';
import type { VulnerabilityAnswer } from '../../core/policy/image/vulnerabilities.ts';
import { askOsvApi } from './osv-api.ts';
import { searchOsvFolder } from './osv-folder.ts';

export interface OsvSources {
  /** A folder with OSV's JSON files, as its exports unpack; null for none. */
  readonly folder: string | null;
  /** `https://api.osv.dev`, or null not to ask. */
  readonly api: string | null;
  /** Together for all that is tried. */
  readonly timeLimitMs: number;
}

/** Package collections that OSV has advisories of, and whose versions can be compared. */
const KNOWN: ReadonlySet<string> = new Set([
  'npm',
  'PyPI',
  'crates.io',
  'Go',
  'Debian',
  'Alpine',
  'RubyGems',
  'Maven',
  'NuGet',
  'Packagist',
]);

/**
 * Looks up what is known against components: in the folder, and when there is none, at the API. It ends in time; what could not
 * be looked up is said, never taken for nothing.
 */
export async function lookUpVulnerabilities(
  components: readonly Component[],
  sources: OsvSources,
  signal: AbortSignal,
): Promise<VulnerabilityAnswer> {
  const asked = components.filter(({ ecosystem, version }) => KNOWN.has(ecosystem) && version !== null);
  const limit = AbortSignal.timeout(sources.timeLimitMs);
  const bounded = AbortSignal.any([signal, limit]);
  const reasons: string[] = [];
  const tries = [
    sources.folder === null ? null : searchOsvFolder.bind(null, sources.folder),
    sources.api === null ? null : askOsvApi.bind(null, sources.api),
  ].filter((attempt) => attempt !== null);
  for (const attempt of tries) {
    try {
      const answer = await attempt(asked, bounded);
      if (answer.kind === 'checked') return answer;
      reasons.push(answer.why);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!limit.aborted) throw error;
      reasons.push(`no answer within ${sources.timeLimitMs / 1000} s`);
    }
  }
  return { kind: 'not-checked', why: reasons.length === 0 ? 'no OSV data is configured' : reasons.join('; ') };
}
