import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CredentialsUnreadableError } from '../../errors.ts';
import { dockerLogin } from './docker-login.ts';

const signal = new AbortController().signal;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-login-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const login = (registry: string) =>
  dockerLogin(registry, { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env['PATH'] ?? ''}` }, signal);
const write = (text: string): Promise<void> => writeFile(join(folder, 'config.json'), text);
const auth = Buffer.from('ci:pass:word').toString('base64');

describe('the login of `docker login`', () => {
  it('is none where nobody has logged in', async () => {
    expect(await login('registry.example')).toBeNull();
    await write('{}');
    expect(await login('registry.example')).toBeNull();
  });

  it('is in its configuration, for its own registry alone', async () => {
    await write(JSON.stringify({ auths: { 'registry.example': { auth }, 'https://other.example': { auth } } }));
    expect(await login('registry.example')).toEqual({ username: 'ci', password: 'pass:word' });
    expect(await login('other.example')).toEqual({ username: 'ci', password: 'pass:word' });
    expect(await login('registry.example:5000')).toBeNull();
  });

  it('comes from a helper, which may have none', async () => {
    const helper = async (name: string, script: string): Promise<void> => {
      await writeFile(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
      await chmod(join(folder, `docker-credential-${name}`), 0o755);
    };
    await helper('has', `read name; printf '{"ServerURL":"%s","Username":"of","Secret":"%s"}' "$name" "$name"`);
    await helper('lacks', 'echo credentials not found in native keychain; exit 1');
    await helper('fails', 'exit 3');
    const credHelpers = { 'a.example': 'has', 'b.example': 'lacks', 'c.example': 'fails', 'd.example': '../x' };
    await write(JSON.stringify({ credHelpers }));
    expect(await login('a.example')).toEqual({ username: 'of', password: 'a.example' });
    expect(await login('b.example')).toBeNull();
    await expect(login('c.example')).rejects.toThrow(/docker-credential-fails .*status 3/);
    await expect(login('d.example')).rejects.toThrow(CredentialsUnreadableError);
    await write(JSON.stringify({ credsStore: 'nowhere' }));
    await expect(login('e.example')).rejects.toThrow(/docker-credential-nowhere/);
  });

  it.each([
    ['no JSON', `{"auths": ${auth}`, 'it is not JSON'],
    ['something else', '[]', 'not what `docker login` writes'],
    [
      'no user and password',
      JSON.stringify({ auths: { 'registry.example': { auth: 'eA==' } } }),
      'no user and password',
    ],
  ])('that is %s is an error that names the file, and tells nothing of it', async (_, text, why) => {
    await write(text);
    const failure = await login('registry.example').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CredentialsUnreadableError);
    expect(String(failure)).toContain(join(folder, 'config.json'));
    expect(String(failure)).toContain(why);
    expect(String(failure)).not.toContain(auth);
  });
});
