import { baseOfLabels, checkLabels, checkReferences, checkUser } from './check-configuration.ts';
import { checkFiles } from './check-files.ts';
import { checkSecretClues, checkSecretsOfConfig } from './check-secrets.ts';
import { applyExceptions, type ImageException, type Judged } from './exceptions.ts';
import { finalTree } from './final-tree.ts';
import type { ImageInspection, Unread } from './inspection.ts';
import { checkLearning } from './learning.ts';
import { checkLicences, type LicencePolicy } from './licences.ts';
import { type Finding, finding } from './rules.ts';
import { checkVulnerabilities, type VulnerabilityAnswer, type VulnerabilityPolicy } from './vulnerabilities.ts';

export interface ImagePolicy {
  readonly licences: LicencePolicy;
  readonly vulnerabilities: VulnerabilityPolicy;
  readonly exceptions: readonly ImageException[];
}

/** What the rules say about an image, the worst first. A release may go on when nothing in `findings` refuses it. */
export interface ImageVerdict extends Judged {
  readonly passes: boolean;
}

/**
 * Checks an image by every rule.
 *
 * @param service whose image it is, for its exceptions
 * @param now milliseconds since 1970, for their ends
 */
export function checkImage(
  inspection: ImageInspection,
  vulnerabilities: VulnerabilityAnswer,
  policy: ImagePolicy,
  service: string,
  now: number,
): ImageVerdict {
  const { config, entries, clues, components, references, unread } = inspection;
  const tree = finalTree(entries);
  const findings: readonly Finding[] = [
    ...checkUser(config),
    ...checkReferences([...references, ...baseOfLabels(config)]),
    ...checkSecretsOfConfig(config),
    ...checkSecretClues(clues, tree, entries),
    ...checkLearning(entries, clues, components),
    ...checkFiles(config, tree),
    ...unread.map(toFinding),
    ...checkLicences(components, policy.licences),
    ...checkVulnerabilities(vulnerabilities, policy.vulnerabilities),
    ...checkLabels(config),
  ];
  const judged = applyExceptions(findings, policy.exceptions, service, now);
  const ordered = judged.findings.toSorted((a, b) => rank(a) - rank(b));
  return { ...judged, findings: ordered, passes: ordered.every(({ severity }) => severity !== 'refuse') };
}

const rank = ({ severity }: Finding): number => (severity === 'refuse' ? 0 : 1);

/** What could not be read is refused, never passed: the guide's own checks pass when their input is missing (14.1). */
const toFinding = ({ path, layer, why }: Unread): Finding =>
  finding('unread', 'refuse', layer === null ? path : `/${path} (layer ${layer + 1})`, why);
