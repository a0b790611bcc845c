import type { Release } from '../release/release.ts';
import type { Digest } from '../units/quantities.ts';

export const STATEMENT_TYPE = 'application/vnd.in-toto+json';
export const ENVELOPE_TYPE = 'application/vnd.dsse.envelope.v1+json';
const PREDICATE = 'https://slsa.dev/provenance/v1';

const hex = (digest: Digest): string => digest.slice('sha256:'.length);

/**
 * Where an image comes from, as an in-toto statement with a SLSA predicate. All of it is known of the release, so that the same
 * release gives the same statement.
 *
 * @param base of the image; what the base itself was made of is not said
 * @see https://slsa.dev/spec/v1.0/provenance
 */
export const provenanceOf = (
  release: Pick<
    Release,
    'id' | 'service' | 'artifact' | 'source' | 'commit' | 'dirty' | 'builder' | 'builtAt' | 'configuration'
  >,
  image: { readonly repository: string; readonly manifest: Digest; readonly base: Digest },
): Readonly<Record<string, unknown>> => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: image.repository, digest: { sha256: hex(image.manifest) } }],
  predicateType: PREDICATE,
  predicate: {
    buildDefinition: {
      buildType: 'https://veza.dev/build/v1',
      externalParameters: { service: release.service, release: release.id, configuration: release.configuration },
      internalParameters: { dirty: release.dirty },
      resolvedDependencies: [
        { name: 'commit', digest: { gitCommit: release.commit } },
        { name: 'source', digest: { sha256: hex(release.source) } },
        { name: 'artifact', digest: { sha256: hex(release.artifact) } },
        { name: 'base', digest: { sha256: hex(image.base) } },
      ],
    },
    runDetails: {
      builder: { id: `https://veza.dev/builder/${encodeURIComponent(release.builder)}` },
      metadata: { invocationId: release.id, finishedOn: new Date(release.builtAt).toISOString() },
    },
  },
});

/**
 * What is signed of a payload, so that nothing can be taken for a payload of another type.
 *
 * @see https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
 */
export const preAuthentication = (payloadType: string, payload: Uint8Array): Uint8Array => {
  const text = new TextEncoder();
  const type = text.encode(payloadType);
  const head = text.encode(`DSSEv1 ${type.byteLength} `);
  const middle = text.encode(` ${payload.byteLength} `);
  const all = new Uint8Array(head.byteLength + type.byteLength + middle.byteLength + payload.byteLength);
  let at = 0;
  for (const part of [head, type, middle, payload]) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
};
