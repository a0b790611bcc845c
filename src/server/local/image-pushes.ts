import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type {
  ImagePinRequest,
  ImagePinView,
  ImagePushRequest,
  ImagePushView,
  ImageScanProgressView,
  ImageVerificationRequest,
  ImageVerificationView,
} from '../../api/image-schemas.ts';
import { parseReference } from '../../api/image-reference.ts';
import { publicKeyPath, signingKey } from '../../build/image/signing.ts';
import { verifyImage } from '../../build/registry/verify-image.ts';
import { dockerLogin } from '../../build/registry/docker-login.ts';
import { ImageRegistry } from '../../build/registry/image-registry.ts';
import { RegistryLine } from '../../build/registry/registry-line.ts';
import { pushRelease } from '../../build/registry/push-release.ts';
import { referenceText } from '../../core/image/reference.ts';
import { ImageNotThereError, ImageUnverifiedError } from '../../errors.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { imagesFor, withReleases, type ImageParts } from './wanted-releases.ts';

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
  const { to, authority } = request;
  // A bad name is said before anything is made.
  const { registry } = parseReference(`${to}/any`);
  const credentials = request.credentials ?? (await dockerLogin(registry, process.env, signal));
  const key = await signingKey(stateDir);
  const images = imagesFor(parts, environment);
  return withReleases(
    parts,
    environment,
    request,
    async (release, artifactDir) => {
      const { service } = release;
      const reference = parseReference(`${to}/${service}`);
      const say = (text: string): void => onProgress({ service, text });
      say(`image of ${release.id}`);
      const { components } = await images.check(artifactDir, signal);
      const { layout, image, base } = await images.stored(artifactDir, signal);
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
 * The image that a reference means at the moment, by its digest: what to declare as a base.
 *
 * @throws InvalidImageReferenceError, ImageNotThereError, RegistryUnreachableError, RegistryRefusedError
 */
export async function pinImage(
  { image, credentials: given, authority }: ImagePinRequest,
  signal: AbortSignal,
): Promise<ImagePinView> {
  const reference = parseReference(image);
  const { registry, repository } = reference;
  const credentials = given ?? (await dockerLogin(registry, process.env, signal));
  const line = new RegistryLine(registry, repository, { credentials, authority });
  try {
    const digest = await new ImageRegistry(line, registry).resolve(
      reference.digest ?? reference.tag ?? 'latest',
      signal,
    );
    if (digest === null) throw new ImageNotThereError(referenceText(reference));
    return { image: referenceText({ registry, repository, tag: null, digest }) };
  } finally {
    await line.close();
  }
}

/**
 * Asks a registry who says where an image comes from, and whether the key has signed that.
 *
 * @throws InvalidImageReferenceError, ImageUnverifiedError, RegistryUnreachableError, RegistryRefusedError
 */
export async function verifyPushed(
  stateDir: string,
  { image, key, credentials: given, authority }: ImageVerificationRequest,
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
  const credentials = given ?? (await dockerLogin(reference.registry, process.env, signal));
  return verifyImage(reference, open, { credentials, authority }, signal);
}
