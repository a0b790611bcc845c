import { ExitStatus } from '../../errors.ts';
import { bytesText, relativeText, shortRelease } from '../render/numbers.ts';
import { table } from '../render/table.ts';
import { textArgument, type Verb } from '../verb.ts';

export const releases: Verb = {
  definition: {
    name: 'releases',
    arguments: [['[service]', 'of this service alone']],
    summary: 'list retained releases',
    examples: [
      ['veza releases', 'of all services, newest first'],
      ['veza releases web --json', 'of one, in full'],
    ],
  },
  action: async ({ client, terminal, json, now }, { args }) => {
    const found = await client().call('releases', { query: { service: textArgument(args[0]) } });
    if (json) {
      terminal.out(JSON.stringify(found));
      return ExitStatus.ok;
    }
    if (found.length === 0) {
      terminal.out('No release yet. Build one: `veza build`.');
      return ExitStatus.ok;
    }
    const rows = found.map((release) => [
      shortRelease(release.id),
      release.service,
      relativeText(release.builtAt, now()),
      bytesText(release.artifactBytes),
      `${release.commit.slice(0, 8)}${release.dirty ? '+' : ''}`,
      release.deployedIn.map(({ environment, role }) => `${environment} ${role}`).join(', '),
      release.subject,
    ]);
    const columns = [
      { title: 'RELEASE' },
      { title: 'SERVICE' },
      { title: 'BUILT' },
      { title: 'SIZE', align: 'right' as const, optional: 2 },
      { title: 'COMMIT', optional: 1 },
      { title: 'RUNS IN' },
      { title: 'SUBJECT', enough: 20 },
    ];
    for (const line of table(terminal.style, columns, rows)) terminal.out(line);
    return ExitStatus.ok;
  },
};
