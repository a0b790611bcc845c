import type { Argument, Command, Option } from 'commander';
import { z } from 'zod';
import { contract } from '../src/api/contract.ts';
import type { Endpoint } from '../src/api/endpoint.ts';
import { buildProgram } from '../src/cli/program.ts';
import { ExitStatus } from '../src/errors.ts';

// Reference pages, written from what they describe. `node scripts/write-reference.ts` writes them, a test says when they
// are stale.

const WHAT_STATUSES_MEAN: Readonly<Record<keyof typeof ExitStatus, string>> = {
  ok: 'It worked. A deployment has committed, or there was nothing to do.',
  failed: 'It failed: a build, the control plane, a defect of ours, something missing in `veza doctor`.',
  usage: 'The command line is wrong: a command, an option, a name that nothing has.',
  invalid: '`veza.config.ts` is not valid.',
  refused: 'Refused before anything was touched: a gate, a lack of room, an operation that the phase does not allow.',
  reverted: 'The deployment was taken back; stable has 100 %. Also when the way back is stuck.',
  unreachable: 'No control plane answers, or it went away and did not come back.',
  conflict: 'Somebody else is at it: another control plane, a newer lease.',
  interrupted: 'Ctrl-C. A deployment goes on; a build, `run`, `logs` and `events` stop.',
};

/** docs/exit-codes.md. @param errorsSource - text of src/errors.ts */
export function exitCodesPage(errorsSource: string): string {
  const statuses = Object.entries(ExitStatus).map(
    ([name, status]) => `| ${status} | \`${name}\` | ${WHAT_STATUSES_MEAN[name as keyof typeof ExitStatus]} |`,
  );
  return `# Exit statuses and error codes

Written by \`node scripts/write-reference.ts\` from \`src/errors.ts\`.

| status | name | meaning |
|---|---|---|
${statuses.join('\n')}

\`veza run\` returns the exit status of the process that it ran. \`veza abort\` and \`veza rollback dep_12\` end with 0 when
the deployment was taken back, as asked. Of several deployments the highest status counts.

## Error codes

Every failure has a stable code: member \`code\` of the problem document that the API answers with (RFC 9457), and of what
\`--json\` prints to standard error.

| code | status | HTTP | when |
|---|---|---|---|
${errorRows(errorsSource).join('\n')}
| \`internal\` | 1 | 500 | A defect of Veza Deploy; the details are in control.log in the state folder. |
`;
}

function errorRows(source: string): readonly string[] {
  const classes = source.matchAll(
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport class \w+ extends VezaError \{([\s\S]*?)\n\}/g,
  );
  return [...classes]
    .map(([, comment = '', body = '']) => ({
      code: /readonly code = '([^']+)'/.exec(body)?.[1],
      status: /exitStatus = ExitStatus\.(\w+)/.exec(body)?.[1],
      http: /httpStatus = (\d+)/.exec(body)?.[1] ?? '400',
      when: comment
        .replaceAll(/\n\s*\*/g, ' ')
        .replaceAll(/\s+/g, ' ')
        .trim()
        .replaceAll('|', '\\|'),
    }))
    .filter(({ code, status }) => code !== undefined && status !== undefined)
    .map(
      ({ code, status, http, when }) =>
        `| \`${code}\` | ${ExitStatus[status as keyof typeof ExitStatus]} | ${http} | ${when} |`,
    )
    .sort();
}

/** docs/cli.md */
export function cliPage(): string {
  const program = commandTree();
  const [global, groups] = [program.options, new Map<string, Command[]>()];
  for (const command of program.commands) {
    const title = command.helpGroup() ?? '';
    if (command.name() !== 'help') groups.set(title, [...(groups.get(title) ?? []), command]);
  }
  return `# Command line

Written by \`node scripts/write-reference.ts\` from the commands themselves; \`veza COMMAND --help\` says the same.

The CLI is a client of the [HTTP API](api.md) over a Unix socket in the state folder: what it can do, every client can.
Results go to standard output, progress and remarks to standard error. With \`--json\` results are JSON: one document, or
one a line where something is followed (\`watch\`, \`logs\`, \`events\`); failures are problem documents on standard error.
[Exit statuses](exit-codes.md) say how it went.

Live displays are redrawn in a terminal, and appended line by line (on every change, and seldom between) in a pipe or
where \`TERM=dumb\`. \`NO_COLOR\` and \`FORCE_COLOR\` are respected. Ctrl-C leaves a deployment running. A control plane that
goes away while it is watched is waited for, for two minutes.

## Options of every command

${optionTable(global)}

\`VEZA_ENVIRONMENT\` names the environment where \`-e\` does not.

${[...groups].map(([title, commands]) => `## ${title.replace(/:$/, '')}\n\n${commands.map((command) => commandText(command, 'veza')).join('\n')}`).join('\n')}`;
}

function commandText(command: Command, parent: string): string {
  const name = `${parent} ${command.name()}`;
  const examples: string[] = [];
  command.configureOutput({ writeOut: (text) => examples.push(text) });
  command.outputHelp();
  const shown = /Examples:\n([\s\S]*?)\n\s*$/.exec(examples.join(''))?.[1] ?? '';
  const own = command.options.length === 0 ? '' : `\n${optionTable(command.options)}\n`;
  const args = command.registeredArguments.map(
    (argument) => `- \`${argumentSyntax(argument)}\`: ${argument.description}`,
  );
  const [summary = '', ...details] = command.description().split('\n\n');
  const parts = [
    `### \`${[name, ...command.registeredArguments.map(argumentSyntax)].join(' ')}\``,
    '',
    `${sentence(summary)}${details.length === 0 ? '' : ` ${details.join(' ').replaceAll('\n', ' ')}`}`,
    ...(args.length === 0 ? [] : ['', ...args]),
    own,
    '```console',
    shown.replaceAll(/^ {2}/gm, ''),
    '```',
    '',
  ];
  return [
    parts.join('\n').replaceAll(/\n{3,}/g, '\n\n'),
    ...command.commands.map((child) => commandText(child, name)),
  ].join('\n');
}

const argumentSyntax = (argument: Argument): string => {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
};

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const optionTable = (options: readonly Option[]): string =>
  [
    '| option | meaning |',
    '|---|---|',
    ...options.map((option) => {
      const choices =
        option.argChoices === undefined ? '' : ` (${option.argChoices.map((choice) => `\`${choice}\``).join(', ')})`;
      const variable = option.envVar === undefined ? '' : `; variable \`${option.envVar}\``;
      return `| \`${option.flags}\` | ${option.description}${choices}${variable} |`;
    }),
  ].join('\n');

/** The commands without a terminal to write to. */
const commandTree = (): Command =>
  buildProgram(
    {
      terminal: {
        out: () => {},
        raw: () => {},
        note: () => {},
        control: () => {},
        style: { colour: false, unicode: true, width: 80 },
        canRedraw: false,
        rows: 24,
        onResize: () => () => {},
      },
      cwd: '/',
      env: {},
      now: () => 0,
      interrupt: new AbortController().signal,
      readInput: () => Promise.resolve(''),
    },
    () => {},
  );

/** docs/api.md */
export function apiPage(): string {
  const endpoints: readonly Endpoint[] = Object.values(contract);
  const tags = [...new Set(endpoints.map((endpoint) => endpoint.tag))];
  return `# HTTP API

Written by \`node scripts/write-reference.ts\` from \`src/api/contract.ts\`. The OpenAPI 3.1 document, with every schema, is at
\`GET /v1/openapi.json\`.

The control plane listens on the Unix socket \`control.sock\` in its state folder (\`.veza\`; the path is in \`control.json\`
beside it, which also names another place where that path is too long for a socket). Only its owner can open it: file
mode 0600 in a folder of mode 0700. \`x-veza-by\` says who asks, percent-encoded; it ends up in the journal.

\`\`\`console
$ curl --unix-socket .veza/control.sock http://localhost/v1/status
$ curl --unix-socket .veza/control.sock -N "http://localhost/v1/events?follow=true"
$ curl --unix-socket .veza/control.sock http://localhost/v1/deployments/dep_12/operations \\
    -H 'content-type: application/json' -d '{"kind":"pause"}'
\`\`\`

**Problems** are problem documents (RFC 9457, \`application/problem+json\`) with \`code\`, \`detail\`, \`hint\`, \`exitStatus\`, and
\`mistakes\` with every mistake of a request at once. The codes are in [exit-codes.md](exit-codes.md).

**Streams** are server-sent events: \`item\` events, then one \`result\` with the answer or one \`problem\`, then the end. A
stream that ends without either broke. A comment comes at least every 10 s. Where it says *resumable*, items have ids and
\`Last-Event-ID\` goes on after one. \`logs\`, \`run\` and \`build\` stop their work when the client goes away; deployments,
rollbacks and \`down\` do not.

**Requests** are strict: a field or parameter that nobody knows is refused. No environment, or \`null\`, means the
platform's default one, and for lists all of them.

${tags
  .map(
    (tag) =>
      `## ${tag.charAt(0).toUpperCase()}${tag.slice(1)}\n\n${endpoints
        .filter((endpoint) => endpoint.tag === tag)
        .map(endpointText)
        .join('\n')}`,
  )
  .join('\n')}`;
}

function endpointText(endpoint: Endpoint): string {
  const stream = endpoint.item === null ? '' : ` *Stream${endpoint.resumable ? ', resumable' : ''}.*`;
  const fields = [...fieldRows(endpoint.query, 'query'), ...fieldRows(endpoint.body, 'body')];
  const table =
    fields.length === 0 ? '' : `\n| in | field | type | default |\n|---|---|---|---|\n${fields.join('\n')}\n`;
  return `### \`${endpoint.method} ${endpoint.path}\`\n\n${endpoint.summary}.${stream}\n${table}`;
}

function fieldRows(schema: z.ZodType | null, place: string): readonly string[] {
  if (schema === null) return [];
  const json = z.toJSONSchema(schema, { io: 'input' });
  const alternatives = json.oneOf ?? json.anyOf;
  if (alternatives !== undefined) {
    const kinds = alternatives.map((alternative) => JSON.stringify(alternative).match(/"const":"(\w+)"/)?.[1] ?? '');
    return [
      `| ${place} | \`kind\` | ${kinds.map((kind) => `\`${kind}\``).join(', ')}; \`promote\` has \`to\`: \`next\` or \`all\` | |`,
    ];
  }
  return Object.entries(json.properties ?? {}).map(([name, property]) => {
    const value = property as z.core.JSONSchema.BaseSchema;
    const fallback =
      'default' in value && value.default !== ''
        ? `\`${place === 'query' ? String(value.default) : JSON.stringify(value.default)}\``
        : json.required?.includes(name) === true
          ? 'required'
          : '';
    return `| ${place} | \`${name}\` | ${typeText(value)}${value.description === undefined ? '' : `: ${value.description}`} | ${fallback} |`;
  });
}

function typeText(schema: z.core.JSONSchema.BaseSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map((part) => typeText(part)).join(' or ');
  if (schema.type === 'array') {
    const first = schema.prefixItems?.[0] ?? schema.items;
    return `list of ${typeof first === 'object' && !Array.isArray(first) ? typeText(first) : 'values'}`;
  }
  if (schema.pattern === '^\\d{1,9}$') return 'whole number';
  return schema.type === undefined ? 'value' : String(schema.type);
}
