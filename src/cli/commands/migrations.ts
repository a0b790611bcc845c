import { Option } from 'commander';
import type { MigrationsView } from '../../api/migration-schemas.ts';
import { ExitStatus, UsageError } from '../../errors.ts';
import { migrationLines } from '../render/migrations.ts';
import { plural } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, textOption, type Verb, type VerbContext } from '../verb.ts';

const show: Verb = {
  definition: {
    name: 'migrations',
    arguments: [['[service]', 'whose (default: all that have some)']],
    summary: 'state of migrations: applied, pending, contracts and what they wait for',
    description:
      'Migrations that add or move data run by themselves, as a gate of a deployment. Contract migrations, which take away, run\n' +
      'with `veza migrations contract`, once no release that needs the old form can get traffic.',
    examples: [
      ['veza migrations', 'of the default environment'],
      ['veza migrations api -e production', 'of one service'],
      ['veza migrations contract api', 'run what nobody needs the old form of'],
      ['veza migrations undo api --to 3', 'take back what is above 0003'],
    ],
  },
  action: async ({ client, terminal, json, now, environment }, { args }) => {
    const views = await client().call('migrations', { query: { environment, service: textArgument(args[0]) } });
    if (json) terminal.out(JSON.stringify(views));
    else if (views.length === 0) terminal.out('No live service has migrations.');
    else
      for (const line of views.flatMap((view) => migrationLines(view, { style: terminal.style, now: now() })))
        terminal.out(line);
    return ExitStatus.ok;
  },
};

const contract: Verb = {
  definition: {
    name: 'contract',
    arguments: [['<service>', 'whose live release brings them']],
    summary: 'run contract migrations that no release needs the old form of',
    description:
      'Refused (status 4) while a release without the same contract file can get traffic: live, candidate, queued, warm, or what\n' +
      '`veza rollback` would go back to, in every environment on the same database. Afterwards such a release is not started any\n' +
      'more. Ctrl-C ends it; what was not done to its end is undone.',
    options: [
      new Option(
        '--give-up-rollback',
        'also when only `veza rollback` would need the old form, and nothing of it runs',
      ),
    ],
    examples: [
      ['veza migrations contract api', 'what can be run now'],
      ['veza migrations contract api --give-up-rollback', 'and never go back to the release before'],
    ],
  },
  action: async (context, { args, options }) => {
    const service = textArgument(args[0]) ?? '';
    const { environment } = context;
    const view = await context
      .client()
      .stream(
        'contractMigrations',
        { body: { environment, service, giveUpRollback: options.giveUpRollback === true } },
        { onItem: noted(context) },
      );
    return ended(context, view, (style) => {
      const deferred = view.migrations.filter(({ state }) => state === 'deferred');
      const left =
        deferred.length === 0 ? 'no contract is left' : `${plural(deferred.length, 'contract')} still deferred`;
      return `${paint(style, 'green', sign(style, 'done'))} ${view.service} in ${view.environment}: ${left}.`;
    });
  },
};

const undo: Verb = {
  definition: {
    name: 'undo',
    arguments: [['<service>', 'whose live release is on the database']],
    summary: 'take migrations back',
    description:
      'Refused (status 4) while a release that was built on them can get traffic, or when one says that it is irreversible. The\n' +
      'database knows how, from when they were applied: the release that brought them need not exist any more.',
    options: [new Option('--to <number>', 'everything above it, 0 for all (default: what was applied last)')],
    examples: [
      ['veza migrations undo api', 'what was applied last'],
      ['veza migrations undo api --to 3', 'everything above 0003'],
    ],
  },
  action: async (context, { args, options }) => {
    const service = textArgument(args[0]) ?? '';
    const { environment } = context;
    const view = await context
      .client()
      .stream(
        'undoMigrations',
        { body: { environment, service, to: numberOf(textOption(options.to)) } },
        { onItem: noted(context) },
      );
    return ended(context, view, (style) => {
      const last = view.migrations.findLast(({ appliedAt }) => appliedAt !== null);
      const now = last === undefined ? 'no migration is applied' : `the last one applied is ${last.file}`;
      return `${paint(style, 'green', sign(style, 'done'))} ${view.service} in ${view.environment}: ${now}.`;
    });
  },
};

const noted =
  ({ terminal, json }: VerbContext) =>
  ({ text }: { readonly text: string }): void => {
    if (!json) terminal.note(paint(terminal.style, 'dim', `  ${text}`));
  };

function ended(
  { terminal, json }: VerbContext,
  view: MigrationsView,
  text: (style: VerbContext['terminal']['style']) => string,
): ExitStatus {
  terminal.out(json ? JSON.stringify(view) : text(terminal.style));
  return ExitStatus.ok;
}

function numberOf(text: string | null): number | null {
  if (text === null) return null;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new UsageError(`\`--to ${text}\` is no number of a migration.`, 'For example `--to 3` keeps 0001 to 0003.');
}

/** `veza migrations` by itself, and the verbs below it. */
export const migrations = { show, verbs: [contract, undo] } as const;
