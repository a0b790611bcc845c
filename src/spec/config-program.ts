// Runs one configuration file in a process of its own and writes what it exports to file descriptor 3. A fresh process
// sees every file that the configuration imports as it is now, and what the file does (throw, exit, hang, print) stays
// here.
import { readFileSync, writeSync } from 'node:fs';
import { extname } from 'node:path';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { pathToFileURL } from 'node:url';
import { failureOf } from './config-failure.ts';
import { toData } from './to-data.ts';
import type { RunMessage } from './run-message.ts';

const RESULT_FD = 3;

async function runConfig(file: string): Promise<RunMessage> {
  const url = pathToFileURL(file).href;
  const ownEntry = new URL(`../index${extname(import.meta.url)}`, import.meta.url).href;
  registerHooks({
    resolve: (specifier, context, next) =>
      // The configuration means this very program, installed beside it or not.
      specifier === 'veza-deploy' ? { url: ownEntry, shortCircuit: true } : next(specifier, context),
    load: (loaded, context, next) =>
      // Whatever the package.json around it says, the configuration is an ES module.
      next(loaded, loaded === url ? { ...context, format: formatOf(file) } : context),
  });
  let javascript: string;
  try {
    const source = readFileSync(file, 'utf8');
    javascript = isTypeScript(file) ? stripTypeScriptTypes(source, { mode: 'strip' }) : source;
  } catch (error) {
    if (error instanceof SyntaxError) return failureOf(error, file);
    return { kind: 'unreadable', reason: error instanceof Error ? error.message : String(error) };
  }
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(url)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    return failureOf(error, file);
  }
  if (!('default' in exported)) return { kind: 'no-default', exports: Object.keys(exported) };
  try {
    return { kind: 'value', ...toData(exported['default']), javascript };
  } catch (error) {
    // A getter or proxy of the configuration threw.
    return failureOf(error, file);
  }
}

const isTypeScript = (file: string): boolean => /\.[cm]?ts$/.test(file);
const formatOf = (file: string): string => (isTypeScript(file) ? 'module-typescript' : 'module');

const [, , file = ''] = process.argv;
const message = Buffer.from(JSON.stringify(await runConfig(file)));
for (let written = 0; written < message.length;) written += writeSync(RESULT_FD, message, written);
// What the configuration left running (a timer, a server) must not keep this process.
process.exit(0);
