import { resolve } from 'node:path';
import type { Platform } from '../../core/spec/platform.ts';
import { ExitStatus } from '../../errors.ts';
import { plural } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, type Verb } from '../verb.ts';

export const validate: Verb = {
  definition: {
    name: 'validate',
    arguments: [['[file]', 'configuration (default: veza.config.ts here or above)']],
    summary: 'check veza.config.ts and the migrations in the source, all mistakes at once',
    description: 'Exit status 3 when there are mistakes. Needs no control plane.',
    examples: [
      ['veza validate', 'of this project'],
      ['veza validate --json', 'path, expected, got and suggestion of every mistake'],
    ],
  },
  action: async ({ terminal, json, cwd, interrupt: signal }, { args, global }) => {
    // Loaded here: it brings a parser that no other command needs.
    const [{ findConfig }, { formatMistakes, formatWarnings, validateConfig }] = await Promise.all([
      import('../../spec/find-config.ts'),
      import('../../spec/validate.ts'),
    ]);
    const named = textArgument(args[0]) ?? global.project;
    const file = named === undefined ? await findConfig(cwd) : await findConfig(cwd, resolve(cwd, named));
    const report = await validateConfig(file, { signal, migrations: true });
    const status = report.platform === null ? ExitStatus.invalid : ExitStatus.ok;
    if (json) {
      const { mistakes, warnings } = report;
      terminal.out(JSON.stringify({ file, valid: report.platform !== null, mistakes, warnings }));
      return status;
    }
    const { style } = terminal;
    if (report.warnings.length > 0) terminal.note(formatWarnings(report.warnings, file));
    if (report.platform === null) {
      terminal.note(formatMistakes(report.mistakes, file));
      terminal.note(
        `\n${paint(style, 'red', sign(style, 'failed'))} ${plural(report.mistakes.length, 'mistake')} in ${file}.`,
      );
    } else terminal.out(`${paint(style, 'green', sign(style, 'done'))} ${platformText(report.platform)}`);
    return status;
  },
};

function platformText({ name, environments }: Platform): string {
  const all = Object.values(environments);
  const services = new Set(all.flatMap((environment) => Object.keys(environment.services)));
  return `${name} is valid: ${plural(services.size, 'service')} in ${all.map((environment) => environment.name).join(', ')}.`;
}
