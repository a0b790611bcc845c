import { CommanderError } from 'commander';
import { toProblem } from '../api/problem.ts';
import { nearest } from '../core/spec/nearest.ts';
import { ExitStatus, UsageError, VezaError } from '../errors.ts';
import { paint, sign, wrap } from './render/style.ts';
import type { Terminal } from './terminal.ts';

export interface ReportOptions {
  readonly json: boolean;
  /** Show the stack: for ourselves. */
  readonly debug: boolean;
}

/** Says on standard error what went wrong and what to do next; returns the exit status. */
export function reportError(error: unknown, terminal: Terminal, { json, debug }: ReportOptions): number {
  // Help and version end like this, too.
  if (error instanceof CommanderError && error.exitCode === 0) return ExitStatus.ok;
  const known = error instanceof CommanderError ? fromCommander(error) : error;
  const status = known instanceof VezaError ? known.exitStatus : ExitStatus.failed;
  if (json) {
    terminal.note(JSON.stringify(toProblem(known)));
    return status;
  }
  const { style } = terminal;
  const message = known instanceof Error ? known.message : String(known);
  terminal.note(`${paint(style, 'red', sign(style, 'failed'))} ${message}`);
  if (known instanceof VezaError) {
    if (known.hint !== null)
      for (const line of known.hint.split('\n').flatMap((text) => wrap(text, style.width - 2)))
        terminal.note(`  ${line}`);
  } else terminal.note('  This is a defect of Veza Deploy. VEZA_DEBUG=1 shows where.');
  if (debug && known instanceof Error) terminal.note(known.stack ?? '');
  return status;
}

/** `error: unknown command 'depoly'\n(Did you mean deploy?)` as our own. */
function fromCommander(error: CommanderError): UsageError {
  if (error.code === 'commander.help' || error.code === 'commander.helpDisplayed') {
    return new UsageError('Which command?', '`veza --help` lists them.');
  }
  const choice = /^error: option '(--[\w-]+)[^']*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/.exec(
    error.message,
  );
  if (choice !== null) {
    const [, option = '', written = '', choices = ''] = choice;
    const meant = nearest(written, choices.split(', '));
    const suggestion = meant === null ? '.' : `; did you mean \`${meant}\`?`;
    return new UsageError(`\`${written}\` is no choice of \`${option}\`${suggestion}`, `It takes one of: ${choices}.`);
  }
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = rest.join(' ').replace(/^\(/, '').replace(/\)$/, '');
  const text = first.charAt(0).toUpperCase() + first.slice(1).replaceAll("'", '`');
  return new UsageError(
    text.endsWith('.') ? text : `${text}.`,
    suggestion === '' ? '`veza --help` lists the commands, `veza COMMAND --help` their options.' : suggestion,
  );
}
