/** Exit status of a starter whose program could not be started: that of shells. */
export const NOT_STARTED = 127;
/** What it says then begins like this, on stderr. */
const NOT_STARTED_WORDS = 'veza: ';
export const SECRETS_FOLDER = '/run/secrets';

/**
 * What containers begin with, in Node: it reads who it is from standard input, puts secrets into files of a file system in
 * memory, and becomes the program. So no value of a variable is in what `docker inspect` shows, on a disk, or in a layer.
 *
 * The image must have Node 24 (`process.execve`); all images that are built here do.
 */
const STARTER = `
const { accessSync, constants, readFileSync, writeFileSync } = require('node:fs');
const { delimiter, join } = require('node:path');
const { environment, secrets } = JSON.parse(readFileSync(0, 'utf8'));
// Where programs are is the image's business, unless it was declared.
environment.PATH ??= process.env.PATH ?? '';
for (const name of secrets) writeFileSync(join('${SECRETS_FOLDER}', name), environment[name], { mode: 0o400, flag: 'w' });
const [program, ...args] = process.argv.slice(1);
const may = (path) => { try { accessSync(path, constants.X_OK); return true; } catch { return false; } };
const places = program.includes('/') ? [program] : environment.PATH.split(delimiter).map((folder) => join(folder, program));
const path = places.find(may);
if (path === undefined) {
  console.error('${NOT_STARTED_WORDS}program ' + program + ' was not found (in the artifact, or in PATH), or may not be executed');
  process.exitCode = ${NOT_STARTED};
} else process.execve(path, [program, ...args], environment);
`;

/** The command of a container that runs `command`. */
export const startedBy = (command: readonly string[]): readonly string[] => ['node', '-e', STARTER, '--', ...command];

/** What the starter is told on its standard input. */
export const startDocument = (environment: Readonly<Record<string, string>>, secrets: readonly string[]): string =>
  JSON.stringify({ environment, secrets: secrets.filter((name) => Object.hasOwn(environment, name)) });

/** Why a program could not be started, from the last line of what ended with `NOT_STARTED`; null when it was started. */
export const startFailure = (line: string | null): string | null =>
  line?.startsWith(NOT_STARTED_WORDS) === true ? line.slice(NOT_STARTED_WORDS.length) : null;
