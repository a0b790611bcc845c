import type { ImageScanProgressView, ImageScanRequest, ImageScanView } from '../../api/image-schemas.ts';
import type { Claims } from '../../build/claims.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { NotDeployedError } from '../../errors.ts';
import { findService } from './find-declared.ts';
import type { ImageShelf } from './image-shelf.ts';
import type { ReleaseShelf } from './release-shelf.ts';

export interface ScanParts {
  readonly catalog: ReleaseCatalog;
  readonly claims: Claims;
  readonly shelf: ReleaseShelf;
  readonly images: ImageShelf;
}

/** Makes the images of releases where there are none yet, and tells what every rule says about each. */
export async function scanImages(
  { catalog, claims, shelf, images }: ScanParts,
  environment: Environment,
  request: ImageScanRequest,
  onProgress: (progress: ImageScanProgressView) => void,
  signal: AbortSignal,
): Promise<readonly ImageScanView[]> {
  const wanted = request.services.length === 0 ? Object.keys(environment.services) : request.services;
  const services = wanted.map((service) => findService(environment, service).name);
  const views: ImageScanView[] = [];
  for (const service of services) {
    const newest = (await catalog.list(service))[0]?.release;
    const id = request.release ?? newest?.id;
    if (id === undefined) throw new NotDeployedError(service, environment.name);
    const release = await catalog.get(id, service);
    const letGo = claims.use(release.id);
    try {
      onProgress({ service, text: `image of ${release.id}` });
      const { findings, excused, ...report } = await images.scan(await shelf.unpack(release, signal), signal);
      views.push({
        service,
        release: release.id,
        image: report.config,
        manifest: report.manifest,
        layers: report.layers,
        bytes: report.bytes,
        files: report.entries,
        packages: report.components,
        passes: report.passes,
        vulnerabilities: report.vulnerabilities,
        findings,
        excused: excused.map(({ finding, exception }) => ({
          finding,
          reason: exception.reason,
          until: exception.until,
        })),
      });
    } finally {
      letGo();
    }
  }
  return views;
}
