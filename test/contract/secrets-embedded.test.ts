import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSecrets } from '../../src/drivers/secrets/registry.ts';
import type { Secrets } from '../../src/drivers/secrets/secrets.ts';
import { SecretStoreError } from '../../src/errors.ts';
import { caught, secretsContract, VALUE } from './secrets.suite.ts';

secretsContract('embedded', (now) => {
  const directory = mkdtempSync(join(tmpdir(), 'veza-secrets-'));
  return {
    open: (environment) => createSecrets('embedded', { environment, directory, now }),
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
});

describe('embedded secrets on the disk', () => {
  let directory: string;
  const open = (environment = 'staging'): Secrets =>
    createSecrets('embedded', { environment, directory, now: () => 1 });
  const file = (name: string): string => join(directory, name);
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'veza-secrets-'));
    await open().set('API_KEY', VALUE);
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it('hold neither values nor names in clear text, and are for their owner only', () => {
    expect(readdirSync(directory).toSorted()).toEqual(['key', 'staging.secrets', 'staging.secrets.lock']);
    for (const name of readdirSync(directory)) {
      expect(readFileSync(file(name), 'latin1')).not.toMatch(/hunter2|API_KEY/);
      expect(statSync(file(name)).mode & 0o077).toBe(0);
    }
  });

  it('look different each time they are written, with the same content', async () => {
    const read = (): string => (JSON.parse(readFileSync(file('staging.secrets'), 'utf8')) as { nonce: string }).nonce;
    const nonces = new Set([read()]);
    for (let n = 0; n < 5; n += 1) {
      await open().set('API_KEY', VALUE);
      nonces.add(read());
    }
    expect(nonces.size).toBe(6);
  });

  it.each([
    [
      'a changed byte of the ciphertext',
      () => {
        const envelope = JSON.parse(readFileSync(file('staging.secrets'), 'utf8')) as { ciphertext: string };
        const bytes = Buffer.from(envelope.ciphertext, 'base64');
        bytes.writeUInt8(bytes.readUInt8(3) ^ 1, 3);
        writeFileSync(file('staging.secrets'), JSON.stringify({ ...envelope, ciphertext: bytes.toString('base64') }));
      },
    ],
    [
      'a shortened tag',
      () => {
        const envelope = JSON.parse(readFileSync(file('staging.secrets'), 'utf8')) as { tag: string };
        const tag = Buffer.from(envelope.tag, 'base64').subarray(0, 4).toString('base64');
        writeFileSync(file('staging.secrets'), JSON.stringify({ ...envelope, tag }));
      },
    ],
    ['garbage', () => writeFileSync(file('staging.secrets'), 'garbage')],
    ['an empty file', () => writeFileSync(file('staging.secrets'), '')],
    ['another key', () => writeFileSync(file('key'), `${Buffer.alloc(32, 7).toString('base64url')}\n`)],
    ['half a key', () => writeFileSync(file('key'), 'abc')],
    ['no key', () => rmSync(file('key'))],
    ['a key that others can read', () => chmodSync(file('key'), 0o644)],
  ])('are refused, never taken for empty, and not overwritten: %s', async (_, damage) => {
    damage();
    const before = readFileSync(file('staging.secrets'));
    for (const run of [() => open().get('API_KEY'), () => open().list(), () => open().set('OTHER', 'x')]) {
      const error = await caught(run());
      expect(error).toBeInstanceOf(SecretStoreError);
      expect(error.message).toContain(directory);
      expect(error.message).not.toContain('hunter2');
      expect(error.hint).not.toBe('');
    }
    expect(readFileSync(file('staging.secrets'))).toEqual(before);
  });

  it('cannot be moved from one environment to another', async () => {
    copyFileSync(file('staging.secrets'), file('production.secrets'));
    expect((await caught(open('production').get('API_KEY'))).message).toContain('another key or environment');
  });

  it('refuse an environment that is a path', () => {
    expect(() => open('../staging')).toThrow(SecretStoreError);
  });
});
