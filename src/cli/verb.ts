import { Command, Option } from 'commander';
import { userInfo } from 'node:os';
import { ApiClient } from '../api/client.ts';
import { controlSocketPath } from '../api/local-socket.ts';
import { findProject, type Project } from './project.ts';
import type { Terminal } from './terminal.ts';

/** What the process gives to the CLI. */
export interface CliEnvironment {
  readonly terminal: Terminal;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
  /** Aborts at Ctrl-C. */
  readonly interrupt: AbortSignal;
  /** All of standard input, for secrets. */
  readonly readInput: () => Promise<string>;
}

/** What a verb works with. */
export interface VerbContext extends CliEnvironment {
  readonly json: boolean;
  /** `--environment`; null means the platform's default one. */
  readonly environment: string | null;
  readonly project: () => Project;
  readonly client: () => ApiClient;
}

export interface VerbDefinition {
  readonly name: string;
  /** `[service...]` and the like, commander's syntax, with what each means. */
  readonly arguments?: readonly (readonly [syntax: string, description: string])[];
  readonly summary: string;
  /** More than a line, below the summary. */
  readonly description?: string;
  readonly options?: readonly Option[];
  /** Shown by `--help`: what one would type, and what it does. */
  readonly examples: readonly (readonly [command: string, does: string])[];
}

export interface VerbInput {
  readonly args: readonly (string | readonly string[] | undefined)[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly global: GlobalOptions;
}

export type VerbAction = (context: VerbContext, input: VerbInput) => Promise<number>;

/** A verb: what it is called, and what it does; returns the exit status. */
export interface Verb {
  readonly definition: VerbDefinition;
  readonly action: VerbAction;
}

export interface GlobalOptions {
  readonly environment?: string;
  readonly json?: boolean;
  readonly project?: string;
  readonly stateDir?: string;
}

/** Options of every verb; they may stand before or after it. */
export const globalOptions = (): readonly Option[] => [
  new Option('-e, --environment <name>', "environment (default: the platform's default one)"),
  new Option('--json', 'print JSON for programs'),
  new Option('--project <dir>', 'folder of veza.config.ts (default: here or above)').env('VEZA_PROJECT'),
  new Option('--state-dir <dir>', 'state folder (default: .veza in the project)').env('VEZA_STATE_DIR'),
];

/** Makes commander's command of a verb. @param finish - gets the exit status */
export function toCommand(verb: Verb, environment: CliEnvironment, finish: (status: number) => void): Command {
  const { definition } = verb;
  const command = new Command(definition.name).summary(definition.summary);
  command.description(
    definition.description === undefined ? definition.summary : `${definition.summary}\n\n${definition.description}`,
  );
  for (const [syntax, description] of definition.arguments ?? []) command.argument(syntax, description);
  for (const option of definition.options ?? []) command.addOption(option);
  const width = Math.max(...definition.examples.map(([example]) => example.length));
  command.addHelpText(
    'after',
    `\nExamples:\n${definition.examples.map(([example, does]) => `  $ ${example.padEnd(width)}  ${does}`).join('\n')}\n`,
  );
  command.action(async (...parameters: unknown[]) => {
    const args = parameters.slice(0, -2) as VerbInput['args'];
    const all: GlobalOptions = command.optsWithGlobals();
    const clients: ApiClient[] = [];
    const project = (): Project => findProject(environment.cwd, all.project, all.stateDir);
    const context: VerbContext = {
      ...environment,
      terminal: environment.terminal,
      json: all.json === true,
      environment: all.environment ?? environment.env.VEZA_ENVIRONMENT ?? null,
      project,
      client: () => {
        const { stateDir } = project();
        const client = new ApiClient({ socketPath: controlSocketPath(stateDir), stateDir, by: userInfo().username });
        clients.push(client);
        return client;
      },
    };
    try {
      finish(await verb.action(context, { args, options: command.opts(), global: all }));
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });
  return command;
}

/** `[service...]` as commander hands it over. */
export const listArgument = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

export const textArgument = (value: string | readonly string[] | undefined): string | null =>
  typeof value === 'string' ? value : null;

export const textOption = (value: unknown): string | null => (typeof value === 'string' ? value : null);
