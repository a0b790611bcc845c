import { Option } from 'commander';
import type { ApiClient } from '../../api/client.ts';
import type { BuildView, DeployAnswer } from '../../api/schemas.ts';
import { ExitStatus, UnknownNameError, UsageError } from '../../errors.ts';
import { buildReleases, checkServices } from '../building.ts';
import { releaseLabels } from '../labels.ts';
import { shortRelease } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { listArgument, textOption, type Verb, type VerbContext } from '../verb.ts';
import { watchDeployments } from '../watch-deployments.ts';

export const deploy: Verb = {
  definition: {
    name: 'deploy',
    arguments: [['[service...]', 'services to deploy (default: all of the environment)']],
    summary: 'build and bring services live, watched',
    description:
      'Returns when the deployment has committed (or was taken back). Ctrl-C leaves it running.\n' +
      'Exit status: 0 committed, 4 refused, 5 taken back, 130 left running by Ctrl-C.',
    options: [
      new Option('--strategy <kind>', 'instead of what the service declares').choices([
        'canary',
        'blue-green',
        'rolling',
      ]),
      new Option('--train', 'several services as one: all commit or all are taken back').conflicts('inOrder'),
      new Option('--in-order', 'a train that goes service by service, in the order of dependencies'),
      new Option('--release <id>', 'deploy this release instead of building; may be repeated').argParser(
        (id: string, before: readonly string[] | undefined) => [...(before ?? []), id],
      ),
      new Option('--dirty', 'build uncommitted changes too'),
      new Option('--detach', 'do not watch'),
      new Option('--force', 'deploy even what already runs, or is on its way'),
      new Option('--wait-retired', 'return only when the old slot is stopped'),
      new Option('--reason <reason>', 'what it is for, for the measures of dora.dev')
        .choices(['planned', 'rework'])
        .default('planned'),
    ],
    examples: [
      ['veza deploy', 'all services of the default environment'],
      ['veza deploy web -e production --strategy canary', 'one service, in small steps'],
      ['veza deploy api web --train', 'both or neither'],
      ['veza deploy web --release rel_1f0c8ab2', 'a release that exists'],
    ],
  },
  action: async (context, { args, options }) => {
    const client = context.client();
    const services = listArgument(args[0]);
    await checkServices(client, context.environment, services);
    const releases = await chooseReleases(context, client, services, options);
    const answer = await client.call('deploy', {
      body: {
        environment: context.environment,
        releases,
        strategy: strategyOption(options.strategy),
        order: options.inOrder === true ? 'in-order' : options.train === true ? 'together' : 'separate',
        kind: options.reason === 'rework' ? 'rework' : 'planned',
        force: options.force === true,
      },
    });
    return afterRequest(context, client, answer, {
      detach: options.detach === true,
      waitRetired: options.waitRetired === true,
      labels: await releaseLabels(client),
    });
  },
};

async function chooseReleases(
  context: VerbContext,
  client: ApiClient,
  services: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Promise<readonly string[]> {
  const given = Array.isArray(options.release) ? (options.release as readonly string[]) : [];
  if (given.length === 0) {
    const built: BuildView = await buildReleases(context, client, {
      services,
      dirty: options.dirty === true,
      force: false,
    });
    return built.releases.map((release) => release.id);
  }
  if (options.dirty === true) {
    throw new UsageError(
      '`--release` and `--dirty` do not go together.',
      'A release exists already; `--dirty` is about building.',
    );
  }
  if (services.length > 0 && services.length !== given.length) {
    throw new UsageError(
      `${services.length} services and ${given.length} releases were named.`,
      'Name the releases alone; each belongs to one service.',
    );
  }
  const retained = await client.call('releases', {});
  return given.map((id) => {
    const [release, ...others] = retained.filter((candidate) => candidate.id.startsWith(id));
    if (release === undefined || others.length > 0) {
      throw new UnknownNameError(
        release === undefined ? 'release' : 'single release',
        id,
        retained.map((known) => shortRelease(known.id)),
      );
    }
    if (services.length > 0 && !services.includes(release.service)) {
      throw new UsageError(
        `${shortRelease(release.id)} is a release of ${release.service}.`,
        `Deploy it with \`veza deploy ${release.service} --release ${shortRelease(release.id)}\`.`,
      );
    }
    return release.id;
  });
}

const strategyOption = (value: unknown): 'canary' | 'blue-green' | 'rolling' | null => {
  const text = textOption(value);
  return text === 'canary' || text === 'blue-green' || text === 'rolling' ? text : null;
};

/** What follows a request that started deployments: say what needs none, watch the rest or leave. */
export async function afterRequest(
  context: VerbContext,
  client: ApiClient,
  answer: DeployAnswer,
  settings: { readonly detach: boolean; readonly waitRetired: boolean; readonly labels: ReadonlyMap<string, string> },
): Promise<ExitStatus> {
  const { terminal, json } = context;
  const { style } = terminal;
  if (json && (settings.detach || answer.deployments.length === 0)) terminal.out(JSON.stringify(answer));
  if (!json) {
    for (const { service, release } of answer.unchanged) {
      terminal.out(
        `${paint(style, 'green', sign(style, 'done'))} ${service} runs ${shortRelease(release)} already; nothing to do.`,
      );
    }
  }
  if (answer.deployments.length === 0) return ExitStatus.ok;
  const ids = answer.deployments.map((deployment) => deployment.id);
  if (!settings.detach) {
    return watchDeployments(context, client, ids, { waitRetired: settings.waitRetired, labels: settings.labels });
  }
  if (!json)
    for (const id of ids) terminal.out(`${paint(style, 'bold', id)} has started. Watch it: \`veza watch ${id}\`.`);
  return ExitStatus.ok;
}
