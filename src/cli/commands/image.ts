import { Option } from 'commander';
import type { ImageScanView } from '../../api/image-schemas.ts';
import { sbomOf } from '../../core/image/sbom.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { ExitStatus } from '../../errors.ts';
import { checkServices } from '../building.ts';
import { bytesText, plural, shortRelease } from '../render/numbers.ts';
import { paint, sign, type Style } from '../render/style.ts';
import { listArgument, textArgument, textOption, type Verb } from '../verb.ts';
import { base, push, verify } from './image-push.ts';

const scan: Verb = {
  definition: {
    name: 'scan',
    arguments: [['[service...]', 'whose (default: all)']],
    summary: 'check images by every rule: secrets, user, licences, vulnerabilities, machine learning',
    description:
      'Makes the image of a release when there is none yet, and reads every layer of it. What is refused here is refused by a\n' +
      'deployment to containers as well. Exit status 4 when something is.',
    options: [new Option('--release <id>', 'of this release (default: the newest one of each service)')],
    examples: [
      ['veza image scan', 'the newest release of every service'],
      ['veza image scan api --release rel_4f1c', 'one release'],
      ['veza image scan --json', 'every finding with what to do, for programs'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, environment, interrupt } = context;
    const client = context.client();
    const services = listArgument(args[0]);
    await checkServices(client, environment, services);
    const scanned = await client.stream(
      'scanImages',
      { body: { environment, services, release: textOption(options.release) } },
      {
        signal: interrupt,
        onItem: ({ service, text }) => {
          if (!json) terminal.note(paint(terminal.style, 'dim', `  ${service}  ${text}`));
        },
      },
    );
    if (json) terminal.out(JSON.stringify(scanned));
    else for (const line of scanned.flatMap((view) => scanLines(view, terminal.style))) terminal.out(line);
    return scanned.every(({ passes }) => passes) ? ExitStatus.ok : ExitStatus.refused;
  },
};

const sbom: Verb = {
  definition: {
    name: 'sbom',
    arguments: [['<service>', 'whose']],
    summary: 'print the packages of an image as CycloneDX 1.6',
    description:
      'Packages are known by what package managers leave in the image. What a bundler has merged into one file is not among them.',
    options: [new Option('--release <id>', 'of this release (default: the newest one)')],
    examples: [['veza image sbom api > api.cdx.json', 'for a scanner, or for a customer']],
  },
  action: async (context, { args, options }) => {
    const { terminal, environment, interrupt } = context;
    const client = context.client();
    const service = textArgument(args[0]) ?? '';
    await checkServices(client, environment, [service]);
    const body = { environment, services: [service], release: textOption(options.release) };
    const views = await client.stream('scanImages', { body }, { signal: interrupt, onItem: () => undefined });
    for (const { release, image: digest, packages } of views)
      terminal.out(JSON.stringify(sbomOf({ service, release, image: digest as Digest }, packages), null, 2));
    return ExitStatus.ok;
  },
};

function scanLines(view: ImageScanView, style: Style): readonly string[] {
  const { service, release, image, bytes, files, packages, passes, vulnerabilities, findings, excused } = view;
  const mark = passes ? paint(style, 'green', sign(style, 'done')) : paint(style, 'red', sign(style, 'failed'));
  const size = `${bytesText(bytes)} unpacked, ${plural(files, 'entry').replace('entrys', 'entries')}, ${plural(packages.length, 'package')}`;
  return [
    `${mark} ${paint(style, 'bold', service)}  ${shortRelease(release)}  ${image.slice(0, SHOWN)}  ${paint(style, 'dim', size)}`,
    ...findings.flatMap(({ rule, severity, where, found, why, next }) => [
      `    ${paint(style, severity === 'refuse' ? 'red' : 'yellow', severity === 'refuse' ? 'refused' : 'warning')}  ${rule}: ${where}: ${found}`,
      paint(style, 'dim', `      ${why}`),
      `      ${next}`,
    ]),
    ...excused.map(({ finding, reason, until }) =>
      paint(style, 'dim', `    excused until ${until}  ${finding.rule}: ${finding.where}: ${reason}`),
    ),
    paint(style, 'dim', `    vulnerabilities ${vulnerabilities}`),
  ];
}

/** Of a digest: its algorithm and twelve digits. */
const SHOWN = 'sha256:'.length + 12;

export const image = {
  name: 'image',
  summary: 'images of releases: what is in them, and where they go',
  verbs: [scan, sbom, push, verify, base],
} as const;
