import type { ImageScanProgressView, ImageScanRequest, ImageScanView } from '../../api/image-schemas.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { imagesFor, withReleases, type ImageParts } from './wanted-releases.ts';

/** Makes the images of releases where there are none yet, and tells what every rule says about each. */
export function scanImages(
  parts: ImageParts,
  environment: Environment,
  request: ImageScanRequest,
  onProgress: (progress: ImageScanProgressView) => void,
  signal: AbortSignal,
): Promise<readonly ImageScanView[]> {
  return withReleases(
    parts,
    environment,
    request,
    async ({ id, service }, artifactDir) => {
      onProgress({ service, text: `image of ${id}` });
      const { findings, excused, ...report } = await imagesFor(parts, environment).scan(artifactDir, signal);
      return {
        service,
        release: id,
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
      };
    },
    signal,
  );
}
