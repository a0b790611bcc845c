import { ENVELOPE_TYPE, provenanceOf } from '../../core/image/provenance.ts';
import type { ImageReference } from '../../core/image/reference.ts';
import { sbomOf } from '../../core/image/sbom.ts';
import type { StoredImage } from '../../core/image/image.ts';
import type { Component } from '../../core/policy/image/inspection.ts';
import { canonicalJson } from '../../core/release/canonical-json.ts';
import type { Release } from '../../core/release/release.ts';
import type { Digest } from '../../core/units/quantities.ts';
import type { ImageLayout } from '../image/layout.ts';
import { signStatement, type SigningKey } from '../image/signing.ts';
import { ImageRegistry, type PushedBlobs } from './image-registry.ts';
import { RegistryLine, type RegistryAccess } from './registry-line.ts';

export interface ReleaseToPush {
  readonly release: Release;
  readonly image: StoredImage;
  readonly base: Digest;
  readonly packages: readonly Component[];
}

export interface PushedRelease extends PushedBlobs {
  readonly sbom: Digest;
  readonly provenance: Digest;
}

/** An image with the release as its tag, and beside it what it is made of (CycloneDX) and where it comes from (SLSA, signed). */
export async function pushRelease(
  { release, image, base, packages }: ReleaseToPush,
  layout: ImageLayout,
  to: Pick<ImageReference, 'registry' | 'repository'>,
  key: SigningKey,
  access: RegistryAccess,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<PushedRelease> {
  const line = new RegistryLine(to.registry, to.repository, access);
  try {
    const registry = new ImageRegistry(line, to.registry);
    const pushed = await registry.push(layout, image, [release.id], onProgress, signal);
    onProgress('what it is made of, and where it comes from');
    const size = (await layout.read(image.manifest)).byteLength;
    const attach = (type: string, title: string, content: unknown): Promise<Digest> =>
      registry.attach(
        image.manifest,
        size,
        {
          type,
          content: Buffer.from(canonicalJson(content)),
          annotations: { 'dev.veza.release': release.id, 'org.opencontainers.image.title': title },
        },
        signal,
      );
    const subject = { service: release.service, release: release.id, image: image.config };
    const sbom = await attach('application/vnd.cyclonedx+json', 'sbom.cdx.json', sbomOf(subject, packages));
    const statement = provenanceOf(release, { repository: to.repository, manifest: image.manifest, base });
    const provenance = await attach(ENVELOPE_TYPE, 'provenance.json', signStatement(statement, key));
    return { ...pushed, sbom, provenance };
  } finally {
    await line.close();
  }
}
