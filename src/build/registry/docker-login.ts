import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { CredentialsUnreadableError } from '../../errors.ts';
import type { Credentials } from './authorization.ts';

const configurationSchema = z.looseObject({
  auths: z.record(z.string(), z.looseObject({ auth: z.string().optional() })).optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
const helperSchema = z.object({ Username: z.string(), Secret: z.string() });

/**
 * Who one is for a registry, from where `docker login` keeps it: its configuration, or a helper that the configuration names.
 *
 * @returns null when nobody has logged in
 * @throws CredentialsUnreadableError
 * @see https://docs.docker.com/reference/cli/docker/login/#credential-stores
 */
export async function dockerLogin(
  registry: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Credentials | null> {
  const path = join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.docker'), 'config.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new CredentialsUnreadableError(path, error instanceof Error ? error.message : String(error));
  }
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new CredentialsUnreadableError(path, 'it is not JSON');
  }
  const read = configurationSchema.safeParse(raw);
  if (!read.success) throw new CredentialsUnreadableError(path, 'it is not what `docker login` writes');
  const { auths = {}, credHelpers = {}, credsStore } = read.data;
  const helper = credHelpers[registry] ?? credsStore;
  if (helper !== undefined) return fromHelper(helper, registry, env, signal);
  const auth = (auths[registry] ?? auths[`https://${registry}`])?.auth;
  if (auth === undefined || auth === '') return null;
  const plain = Buffer.from(auth, 'base64').toString();
  const colon = plain.indexOf(':');
  if (colon < 0) throw new CredentialsUnreadableError(path, `what it has for ${registry} is no user and password`);
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1) };
}

/** @see https://github.com/docker/docker-credential-helpers */
async function fromHelper(
  helper: string,
  registry: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Credentials | null> {
  const program = `docker-credential-${helper}`;
  if (!/^[\w.-]+$/.test(helper)) throw new CredentialsUnreadableError(program, 'that is no name of a helper');
  const output = await new Promise<{ readonly status: number | null; readonly text: string }>((resolve, reject) => {
    const child = spawn(program, ['get'], { env, signal, stdio: ['pipe', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    child.stdin.on('error', () => undefined);
    child.once('error', (error) =>
      reject(signal.aborted ? error : new CredentialsUnreadableError(program, error.message)),
    );
    child.once('close', (status) => resolve({ status, text }));
    child.stdin.end(`${registry}\n`);
  });
  // Helpers say on standard output that they have none, with a status that says no more.
  if (output.status !== 0) {
    if (/not found/i.test(output.text)) return null;
    throw new CredentialsUnreadableError(program, `it ended with status ${String(output.status)}`);
  }
  let raw: unknown;
  try {
    raw = JSON.parse(output.text);
  } catch {
    raw = null;
  }
  const read = helperSchema.safeParse(raw);
  if (!read.success) throw new CredentialsUnreadableError(program, 'its answer cannot be read');
  return { username: read.data.Username, password: read.data.Secret };
}
