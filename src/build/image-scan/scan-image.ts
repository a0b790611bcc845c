import { checkImage, type ImagePolicy, type ImageVerdict } from '../../core/policy/image/check-image.ts';
import { componentsOfSbom } from '../../core/policy/image/components.ts';
import { DEFAULT_LICENCES } from '../../core/policy/image/licences.ts';
import type { Component, NamedReference } from '../../core/policy/image/inspection.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { ImageUnreadableError } from '../../errors.ts';
import { readFromArchive } from './from-archive.ts';
import { readFromLayout } from './from-layout.ts';
import type { LayerContents } from './layer.ts';
import { DEFAULT_LIMITS, type ScanLimits } from './limits.ts';
import { lookUpVulnerabilities, type OsvSources } from './osv.ts';
import { inspectionOf } from './read-image.ts';

/** Where an image is. */
export type ImageSource =
  | { readonly kind: 'layout'; readonly root: string; readonly manifest: Digest | null }
  | { readonly kind: 'archive'; readonly content: AsyncIterable<Uint8Array>; readonly name: string | null };

export interface ImageScan {
  readonly source: ImageSource;
  /** Whose image it is, for exceptions. */
  readonly service: string;
  /** What the image and its bases are called where they are declared; the base that its labels name is looked at anyway. */
  readonly references: readonly NamedReference[];
  /** A CycloneDX document, parsed; null when there is none: then packages are known by the files that they leave. */
  readonly sbom: unknown;
  readonly policy: ImagePolicy;
  readonly osv: OsvSources;
  readonly limits?: ScanLimits;
  /** Layers by digest, which are not read a second time: services share their base. What is read is added. */
  readonly known?: Map<Digest, LayerContents>;
  /** Milliseconds since 1970, for the ends of exceptions. */
  readonly now: number;
}

export interface ImageReport extends ImageVerdict {
  readonly image: string;
  readonly manifest: Digest | null;
  readonly config: Digest;
  readonly service: string;
  readonly layers: number;
  /** Of all layers, unpacked. */
  readonly bytes: number;
  readonly entries: number;
  readonly components: readonly Component[];
  /** Where vulnerabilities were looked up, or why they were not. */
  readonly vulnerabilities: string;
}

/** Licences, severities and time limits when the platform declares none. */
export const DEFAULT_POLICY: ImagePolicy = {
  licences: DEFAULT_LICENCES,
  vulnerabilities: { refuseFrom: 'high', refuseUnchecked: false },
  exceptions: [],
};

/**
 * Reads an image and checks it by every rule. Nothing of it is written to disk or run.
 *
 * @throws ImageUnreadableError when it cannot be read as a whole: such an image has no verdict, and must not be deployed
 */
export async function scanImage(scan: ImageScan, signal: AbortSignal): Promise<ImageReport> {
  const { source, service, references, policy, osv, now, limits = DEFAULT_LIMITS, known = new Map() } = scan;
  const image =
    source.kind === 'layout'
      ? await readFromLayout(source.root, source.manifest, limits, known, signal)
      : await readFromArchive(source.content, source.name, limits, signal);
  const fromSbom = scan.sbom === null ? [] : componentsOfSbom(scan.sbom);
  if (fromSbom === null) {
    throw new ImageUnreadableError(
      image.name,
      'its SBOM',
      'is no CycloneDX document',
      'Build the release again, which writes one.',
    );
  }
  const inspection = inspectionOf(image, references, fromSbom);
  const answer = await lookUpVulnerabilities(inspection.components, osv, signal);
  const verdict = checkImage(inspection, answer, policy, service, now);
  return {
    ...verdict,
    image: image.name,
    manifest: image.manifest,
    config: image.config,
    service,
    layers: inspection.layers,
    bytes: image.layers.reduce((sum, layer) => sum + layer.bytes, 0),
    entries: inspection.entries.length,
    components: inspection.components,
    vulnerabilities: answer.kind === 'checked' ? `checked: ${answer.source}` : `not checked: ${answer.why}`,
  };
}
