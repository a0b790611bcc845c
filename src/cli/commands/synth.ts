import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Option } from 'commander';
import { DOCKERIGNORE, dockerfileOf, type Language } from '../emit/dockerfile.ts';
import { parsePinnedReference, type PinnedReference } from '../../core/image/reference.ts';
import type { Environment, Service } from '../../core/spec/platform.ts';
import { ExitStatus, InvalidImageReferenceError, UsageError } from '../../errors.ts';
import { findEnvironment, findService } from '../../spec/find-declared.ts';
import { paint, sign } from '../render/style.ts';
import { listArgument, textOption, type Verb } from '../verb.ts';

const docker: Verb = {
  definition: {
    name: 'docker',
    arguments: [['[service...]', 'whose (default: all)']],
    summary: 'write a Dockerfile for each service, in infra/docker',
    description:
      'Two stages, bases by digest, no root, no shell, no curl. Only for those who build with Docker: `veza build` and\n' +
      '`veza image push` need none of it. With `--check` nothing is written: exit status 4 when a file is not what it would be.',
    options: [
      new Option('--builder <image>', 'base with the tools that make the program, by its digest').makeOptionMandatory(),
      new Option('--base <image>', "base of what runs, by its digest, or `scratch` (default: the target's `base`)"),
      new Option('--language <name>', 'what the services are written in (default: node)').choices([
        'node',
        'go',
        'rust',
      ]),
      new Option('--check', 'compare with what is there, and write nothing'),
    ],
    examples: [
      ['veza synth docker --builder registry.example/node@sha256:…', 'for all services'],
      [
        'veza synth docker worker --language go --builder registry.example/golang@sha256:… --base scratch',
        'for one in Go',
      ],
      ['veza synth docker --builder registry.example/node@sha256:… --check', 'in CI: does somebody edit them by hand?'],
    ],
  },
  action: async ({ terminal, json, environment: named, project, interrupt: signal }, { args, options }) => {
    const builder = pinned(textOption(options['builder']) ?? '');
    const base = textOption(options['base']);
    const language = (textOption(options['language']) ?? 'node') as Language;
    const { dir } = project();
    // Loaded here: it brings a parser that few other commands need.
    const { loadConfig } = await import('../../spec/load-config.ts');
    const { platform } = await loadConfig({ from: dir, signal });
    const environment = findEnvironment(platform, named);
    const run = base === 'scratch' ? null : base === null ? declaredBase(environment) : pinned(base);
    if (run === null && language === 'node')
      throw new UsageError('A service in Node needs Node to run.', 'Give its base with `--base`.');
    const check = options['check'] === true;
    const results = [];
    for (const service of chosen(environment, listArgument(args[0]))) {
      refusePlaceholders(service);
      const path = join('infra', 'docker', `${service.name}.Dockerfile`);
      const files = {
        [path]: dockerfileOf(service, language, { build: builder, run }),
        [`${path}.dockerignore`]: DOCKERIGNORE,
      };
      for (const [file, text] of Object.entries(files)) {
        const before = await readFile(join(dir, file), 'utf8').catch(() => null);
        const state = before === text ? 'same' : before === null ? 'new' : 'changed';
        if (!check && state !== 'same') {
          await mkdir(dirname(join(dir, file)), { recursive: true });
          await writeFile(join(dir, file), text);
        }
        results.push({ file, state });
      }
    }
    if (json) terminal.out(JSON.stringify(results));
    else
      for (const { file, state } of results) {
        const bad = check && state !== 'same';
        const mark = paint(terminal.style, bad ? 'red' : 'green', sign(terminal.style, bad ? 'failed' : 'done'));
        terminal.out(`${mark} ${file}  ${check && state === 'new' ? 'not there' : state}`);
      }
    return check && results.some(({ state }) => state !== 'same') ? ExitStatus.refused : ExitStatus.ok;
  },
};

function chosen(environment: Environment, names: readonly string[]): readonly Service[] {
  return (names.length === 0 ? Object.keys(environment.services) : names).map((name) => findService(environment, name));
}

function declaredBase({ target }: Environment): PinnedReference {
  if (target.kind === 'docker' && target.base !== null) return target.base;
  throw new UsageError('There is no base for what runs.', 'Give it with `--base`, or declare `target.base`.');
}

function pinned(text: string): PinnedReference {
  const read = parsePinnedReference(text);
  if (!read.ok) throw new InvalidImageReferenceError(text, `what is wanted is ${read.expected}`);
  return read.value;
}

/** Docker runs a command as it is written: nobody fills in a port. */
function refusePlaceholders({ name, run }: Service): void {
  const word = run.find((part) => /\{[A-Z_]+\}/.test(part));
  if (word === undefined) return;
  throw new UsageError(
    `${name} runs with ${word}, which only veza fills in.`,
    'Let the program read PORT and HOST from its environment.',
  );
}

export const synth = {
  name: 'synth',
  summary: 'write files for other tools out of the declaration',
  verbs: [docker],
} as const;
