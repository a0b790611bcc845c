import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type {
  ImagePushRequest,
  ImagePushView,
  ImageScanProgressView,
  ImageVerificationRequest,
  ImageVerificationView,
} from '../../api/image-schemas.ts';
import { parseReference } from '../../api/image-reference.ts';
import { publicKeyPath, signingKey } from '../../build/image/signing.ts';
import { verifyImage } from '../../build/registry/verify-image.ts';
import { pushRelease } from '../../build/registry/push-release.ts';
import { referenceText } from '../../core/image/reference.ts';
import { ImageUnverifiedError } from '../../errors.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { withReleases, type ImageParts } from './wanted-releases.ts';

/**
 * Pushes the images of releases, each into a repository of its service's name. What the rules refuse is not pushed.
 *
 * @param stateDir where the key is that says where they come from
 * @throws InvalidImageReferenceError, ImageRefusedError, RegistryUnreachableError, RegistryRefusedError
 */
export async function pushImages(
  parts: ImageParts,
  stateDir: string,
  environment: Environment,
  request: ImagePushRequest,
  onProgress: (progress: ImageScanProgressView) => void,
  signal: AbortSignal,
): Promise<readonly ImagePushView[]> {
  const { to, credentials, authority } = request;
  // A bad name is said before anything is made.
  parseReference(`${to}/any`);
  const key = await signingKey(stateDir);
  return withReleases(
    parts,
    environment,
    request,
    async (release, artifactDir) => {
      const { service } = release;
      const reference = parseReference(`${to}/${service}`);
      const say = (text: string): void => onProgress({ service, text });
      say(`image of ${release.id}`);
      const { components } = await parts.images.check(artifactDir, signal);
      const { layout, image, base } = await parts.images.stored(artifactDir, signal);
      const pushed = await pushRelease(
        { release, image, base: base.manifest, packages: components },
        layout,
        reference,
        key,
        { credentials, authority },
        say,
        signal,
      );
      return {
        service,
        release: release.id,
        reference: referenceText({ ...reference, tag: release.id, digest: image.manifest }),
        key: key.id,
        ...pushed,
      };
    },
    signal,
  );
}

/**
 * Asks a registry who says where an image comes from, and whether the key has signed that.
 *
 * @throws InvalidImageReferenceError, ImageUnverifiedError, RegistryUnreachableError, RegistryRefusedError
 */
export async function verifyPushed(
  stateDir: string,
  { image, key, credentials, authority }: ImageVerificationRequest,
  signal: AbortSignal,
): Promise<ImageVerificationView> {
  const reference = parseReference(image);
  const pem = key ?? (await readFile(publicKeyPath(stateDir), 'utf8').catch(() => null));
  if (pem === null)
    throw new ImageUnverifiedError(image, 'this project has pushed nothing yet, so that it has no key: give --key');
  let open;
  try {
    open = createPublicKey(pem);
  } catch {
    throw new ImageUnverifiedError(image, 'the key is no public key in PEM');
  }
  return verifyImage(reference, open, { credentials, authority }, signal);
}
