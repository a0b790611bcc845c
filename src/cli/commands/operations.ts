import { Option } from 'commander';
import type { ApiClient } from '../../api/client.ts';
import type { Operation } from '../../core/rollout/operation.ts';
import { ExitStatus, UsageError } from '../../errors.ts';
import { releaseLabels } from '../labels.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, type Verb, type VerbContext, type VerbDefinition } from '../verb.ts';
import { watchDeployments } from '../watch-deployments.ts';

// What a person may do to a deployment: six verbs of one shape. `rollback` is about services, so it has its own file.

const DEPLOYMENT = ['[deployment]', '`dep_12`, `12` or `latest` (default: the one that is active)'] as const;

function operationVerb(
  definition: Pick<VerbDefinition, 'name' | 'summary' | 'examples'> & Partial<VerbDefinition>,
  operation: (options: Readonly<Record<string, unknown>>) => Operation,
  watches: boolean,
): Verb {
  return {
    definition: {
      ...definition,
      arguments: [DEPLOYMENT],
      options: [
        ...(definition.options ?? []),
        ...(watches ? [new Option('--detach', 'do not watch what follows')] : []),
      ],
    },
    action: async (context, { args, options }) => {
      const client = context.client();
      const id = textArgument(args[0]) ?? (await onlyActive(context, client, definition.name));
      return operate(context, client, id, operation(options), watches && options.detach !== true);
    },
  };
}

/** Does it, says so, and watches what follows where that is short. */
export async function operate(
  context: VerbContext,
  client: ApiClient,
  id: string,
  operation: Operation,
  watches: boolean,
): Promise<ExitStatus> {
  const { terminal, json } = context;
  const view = await client.call('operate', { params: { id }, body: operation });
  if (watches) {
    const status = await watchDeployments(context, client, [view.id], {
      waitRetired: false,
      labels: await releaseLabels(client),
    });
    // Taken back is what was asked for.
    const asked = operation.kind === 'abort' || operation.kind === 'rollback';
    return asked && (status === ExitStatus.reverted || status === ExitStatus.refused) ? ExitStatus.ok : status;
  }
  if (json) terminal.out(JSON.stringify(view));
  else {
    const { style } = terminal;
    terminal.out(`${paint(style, 'green', sign(style, 'done'))} ${operation.kind} ${view.id}: ${view.summary}`);
    if (view.endedAt === null) terminal.out(paint(style, 'dim', `  watch it: \`veza watch ${view.id}\``));
  }
  return ExitStatus.ok;
}

/** The one that is meant when none is named; for a retry, the latest that has ended. */
async function onlyActive({ environment }: VerbContext, client: ApiClient, verb: string): Promise<string> {
  const active = await client.call('deployments', { query: { environment, active: true } });
  const candidates = active.filter((view) => view.committedAt === null);
  const [first, ...others] = candidates;
  if (first === undefined) {
    if (verb === 'retry') return 'latest';
    throw new UsageError(`There is no active deployment to ${verb}.`, 'Name one: `veza deployments` lists them.');
  }
  if (others.length > 0) {
    throw new UsageError(
      `${candidates.length} deployments are active: ${candidates.map((view) => view.id).join(', ')}.`,
      `Say which: \`veza ${verb} ${first.id}\`.`,
    );
  }
  return first.id;
}

export const pause = operationVerb(
  {
    name: 'pause',
    summary: 'hold a deployment where it is',
    examples: [
      ['veza pause', 'the active one; a worse verdict still takes it back'],
      ['veza pause dep_12', 'this one'],
    ],
  },
  () => ({ kind: 'pause' }),
  false,
);

export const resume = operationVerb(
  {
    name: 'resume',
    summary: 'let a paused deployment go on',
    examples: [
      ['veza resume', 'the active one'],
      ['veza resume dep_12 --detach', 'this one, without watching'],
    ],
  },
  () => ({ kind: 'resume' }),
  true,
);

export const promote = operationVerb(
  {
    name: 'promote',
    summary: 'skip waiting; never readiness',
    options: [new Option('--all', 'every wait up to the commit')],
    examples: [
      ['veza promote', 'on to the next step'],
      ['veza promote dep_12 --all', 'straight to the commit, as soon as instances are ready'],
    ],
  },
  (options) => ({ kind: 'promote', to: options.all === true ? 'all' : 'next' }),
  true,
);

export const abort = operationVerb(
  {
    name: 'abort',
    summary: 'take a deployment back, until it commits',
    description: 'Exit status 0 when it was taken back, 4 when it is too late.',
    examples: [
      ['veza abort', 'the active one'],
      ['veza abort dep_12', 'this one'],
    ],
  },
  () => ({ kind: 'abort' }),
  true,
);

export const retry = operationVerb(
  {
    name: 'retry',
    summary: 'try again what was taken back or waits',
    examples: [
      ['veza retry', 'the latest'],
      ['veza retry dep_12', 'this one; a new deployment when it has ended'],
    ],
  },
  () => ({ kind: 'retry' }),
  true,
);

export const approve = operationVerb(
  {
    name: 'approve',
    summary: 'let a deployment start that waits for you',
    examples: [
      ['veza approve', 'the active one'],
      ['veza approve dep_12 --detach', 'this one, without watching'],
    ],
  },
  () => ({ kind: 'approve' }),
  true,
);
