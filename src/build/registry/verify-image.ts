import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { ENVELOPE_TYPE } from '../../core/image/provenance.ts';
import { referenceText, type ImageReference } from '../../core/image/reference.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { ImageUnverifiedError } from '../../errors.ts';
import { openEnvelope } from '../image/signing.ts';
import { ImageRegistry } from './image-registry.ts';
import { RegistryLine, type RegistryAccess } from './registry-line.ts';

const statementSchema = z.object({
  subject: z.array(z.object({ digest: z.object({ sha256: z.string() }) })),
  predicateType: z.literal('https://slsa.dev/provenance/v1'),
  predicate: z.object({
    buildDefinition: z.object({
      externalParameters: z.object({ service: z.string(), release: z.string() }),
      internalParameters: z.object({ dirty: z.boolean() }),
      resolvedDependencies: z.array(z.object({ name: z.string(), digest: z.record(z.string(), z.string()) })),
    }),
    runDetails: z.object({ metadata: z.object({ finishedOn: z.string() }) }),
  }),
});

/** What a signature vouches for. */
export interface VerifiedImage {
  readonly reference: string;
  readonly manifest: Digest;
  readonly service: string;
  readonly release: string;
  readonly commit: string;
  readonly dirty: boolean;
  readonly builtAt: string;
}

/**
 * Asks a registry for an image and for who says where it comes from, and believes nothing but the key.
 *
 * @throws ImageUnverifiedError, RegistryUnreachableError, RegistryRefusedError
 */
export async function verifyImage(
  wanted: ImageReference,
  key: KeyObject,
  access: RegistryAccess,
  signal: AbortSignal,
): Promise<VerifiedImage> {
  const line = new RegistryLine(wanted.registry, wanted.repository, access);
  try {
    const registry = new ImageRegistry(line, wanted.registry);
    const name = referenceText(wanted);
    const manifest = wanted.digest ?? (await registry.resolve(wanted.tag ?? 'latest', signal));
    if (manifest === null) throw new ImageUnverifiedError(name, 'the registry has none of that name');
    // The bytes, and not only somebody's word for them.
    await registry.document(manifest, signal);
    const envelopes = await registry.attachments(manifest, ENVELOPE_TYPE, signal);
    if (envelopes.length === 0) throw new ImageUnverifiedError(name, 'nobody has signed where it comes from');
    for (const envelope of envelopes) {
      const statement = statementSchema.safeParse(openEnvelope(json(envelope), key)).data;
      if (statement?.subject.some(({ digest }) => `sha256:${digest.sha256}` === manifest) !== true) continue;
      const { buildDefinition, runDetails } = statement.predicate;
      const { service, release } = buildDefinition.externalParameters;
      const commit = buildDefinition.resolvedDependencies.find((one) => one.name === 'commit')?.digest['gitCommit'];
      return {
        reference: referenceText({ ...wanted, digest: manifest }),
        manifest,
        service,
        release,
        commit: commit ?? '',
        dirty: buildDefinition.internalParameters.dirty,
        builtAt: runDetails.metadata.finishedOn,
      };
    }
    throw new ImageUnverifiedError(name, 'no signature for it is of this key');
  } finally {
    await line.close();
  }
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}
