import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import { parseReference } from '../../api/image-reference.ts';
import { referenceText } from '../../core/image/reference.ts';
import { ExitStatus, FileUnusableError } from '../../errors.ts';
import { checkServices } from '../building.ts';
import { bytesText, shortRelease } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { listArgument, textArgument, textOption, type Verb, type VerbContext, type VerbInput } from '../verb.ts';

const registryOptions = (): readonly Option[] => [
  new Option('--username <name>', 'of the registry; the password is read from standard input'),
  new Option('--authority <file>', 'PEM of the authority that signed the certificate of the registry'),
];

export const push: Verb = {
  definition: {
    name: 'push',
    arguments: [
      ['<to>', 'HOST[:PORT]/PATH; each service gets a repository below it'],
      ['[service...]', 'whose (default: all)'],
    ],
    summary: 'push images to a registry, with what they are made of and where they come from',
    description:
      'The tag is the release; what the registry has already is not sent again. Beside each image go its packages (CycloneDX) and a\n' +
      'signed statement of its origin (SLSA provenance). An image that a rule refuses is not pushed: exit status 4. Without\n' +
      '`--username` the login of `docker login` is used.',
    options: [
      new Option('--release <id>', 'of this release (default: the newest one of each service)'),
      ...registryOptions(),
    ],
    examples: [
      ['veza image push registry.example/veza', 'the newest release of every service'],
      ['veza image push localhost:5000/veza api --release rel_4f1c', 'one release, to a registry on this machine'],
      ['veza image push registry.example/veza --username ci < password', 'a login of its own'],
    ],
  },
  action: async (context, input) => {
    const { terminal, json, environment, interrupt } = context;
    const { style } = terminal;
    const to = (textArgument(input.args[0]) ?? '').replace(/\/+$/, '');
    // A bad name is no reason to ask for a password.
    parseReference(`${to}/any`);
    const access = await registryAccess(context, input);
    const client = context.client();
    const services = listArgument(input.args[1]);
    await checkServices(client, environment, services);
    const pushed = await client.stream(
      'pushImages',
      { body: { environment, services, release: textOption(input.options.release), to, ...access } },
      {
        signal: interrupt,
        onItem: ({ service, text }) => {
          if (!json) terminal.note(paint(style, 'dim', `  ${service}  ${text}`));
        },
      },
    );
    if (json) {
      terminal.out(JSON.stringify(pushed));
      return ExitStatus.ok;
    }
    for (const { service, release, reference, bytes, sent, known } of pushed) {
      const amount = `${bytesText(bytes)} in ${sent} sent, ${known} there already`;
      terminal.out(
        `${paint(style, 'green', sign(style, 'done'))} ${paint(style, 'bold', service)}  ${shortRelease(release)}  ${paint(style, 'dim', amount)}`,
      );
      terminal.out(`    ${reference}`);
    }
    return ExitStatus.ok;
  },
};

export const verify: Verb = {
  definition: {
    name: 'verify',
    arguments: [['<image>', 'HOST[:PORT]/REPOSITORY with :TAG or @DIGEST']],
    summary: 'see who says where an image in a registry comes from, and whether that is true',
    description:
      'Believes nothing but the key: bytes, digest and statement have to be the same. Exit status 4 when nobody has signed for the\n' +
      'image, or somebody else has.',
    options: [
      new Option('--key <file>', "public key of those who pushed it (default: the project's own)"),
      ...registryOptions(),
    ],
    examples: [
      ['veza image verify registry.example/veza/api:rel_4f1c0c1d9a', 'signed by this project?'],
      ['veza image verify registry.example/veza/api@sha256:… --key them.pub', 'signed by somebody else?'],
    ],
  },
  action: async (context, input) => {
    const { terminal, json, interrupt } = context;
    const reference = parseReference(textArgument(input.args[0]) ?? '');
    const file = textOption(input.options['key']);
    const key = file === null ? null : await textOf(file, '--key');
    const access = await registryAccess(context, input);
    const body = { image: referenceText(reference), key, ...access };
    const verified = await context.client().call('verifyImage', { body }, { signal: interrupt });
    if (json) {
      terminal.out(JSON.stringify(verified));
      return ExitStatus.ok;
    }
    const { style } = terminal;
    const { service, release, commit, dirty, builtAt } = verified;
    terminal.out(`${paint(style, 'green', sign(style, 'done'))} ${verified.reference}`);
    terminal.out(
      `    ${service}  ${release}, built ${builtAt} of commit ${commit}${dirty ? ', with changes that were not committed' : ''}`,
    );
    return ExitStatus.ok;
  },
};

export const base: Verb = {
  definition: {
    name: 'base',
    arguments: [['<image>', 'HOST[:PORT]/REPOSITORY[:TAG]']],
    summary: 'tell the digest that a tag means, to be declared as a base',
    description: 'What is printed goes into `target.base` in veza.config.ts. A tag can be moved; a digest cannot.',
    options: registryOptions(),
    examples: [['veza image base registry.example/node:24', 'what to declare']],
  },
  action: async (context, input) => {
    const { terminal, json, interrupt } = context;
    const image = textArgument(input.args[0]) ?? '';
    parseReference(image);
    const access = await registryAccess(context, input);
    const pinned = await context.client().call('pinImage', { body: { image, ...access } }, { signal: interrupt });
    terminal.out(json ? JSON.stringify(pinned) : pinned.image);
    return ExitStatus.ok;
  },
};

async function registryAccess(
  { readInput }: VerbContext,
  { options }: VerbInput,
): Promise<{
  readonly credentials: { readonly username: string; readonly password: string } | null;
  readonly authority: string | null;
}> {
  const username = textOption(options['username']);
  const file = textOption(options['authority']);
  const credentials = username === null ? null : { username, password: (await readInput()).replace(/\r?\n$/, '') };
  return { credentials, authority: file === null ? null : await textOf(file, '--authority') };
}

async function textOf(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new FileUnusableError(option, file, error instanceof Error ? error.message : String(error));
  }
}
