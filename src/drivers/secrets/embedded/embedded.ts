import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SecretConflictError, SecretRefusedError, SecretStoreError, VezaError } from '../../../errors.ts';
import { replaceFileDurably } from '../../../system/replace-file.ts';
import type { SecretInfo, Secrets, SecretsContext, SetOptions } from '../secrets.ts';
import { openEnvelope, parseEnvelope, sealEnvelope } from './envelope.ts';
import { withFileLock } from './file-lock.ts';
import { makeKey, readKey } from './key-file.ts';

const ENVIRONMENT = /^[a-z][a-z0-9-]{0,30}$/;
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,127}$/;
const MAX_BYTES = 64 * 1024;
const VERSIONS_KEPT = 10;
const LOCK_TIMEOUT_MS = 5000;

interface Version {
  readonly version: number;
  readonly value: string;
  /** UTC milliseconds. */
  readonly time: number;
}

/** Versions of each secret, oldest first, never empty. */
type Content = Map<string, readonly Version[]>;

/**
 * Secrets of one environment in one file, encrypted as a whole (names too) with AES-256-GCM, under a key in a file beside it.
 * docs/secrets.md says what that protects from and what it does not.
 */
export class EmbeddedSecrets implements Secrets {
  readonly #environment: string;
  readonly #directory: string;
  readonly #file: string;
  readonly #keyFile: string;
  readonly #now: () => number;

  constructor(context: SecretsContext) {
    if (!ENVIRONMENT.test(context.environment)) {
      throw new SecretStoreError(
        context.environment,
        'this is not the name of an environment',
        'Expected a-z, 0-9 and -.',
      );
    }
    this.#environment = context.environment;
    this.#directory = context.directory;
    this.#file = join(context.directory, `${context.environment}.secrets`);
    this.#keyFile = join(context.directory, 'key');
    this.#now = context.now;
  }

  async get(name: string, version?: number): Promise<string | undefined> {
    const versions = (await this.#read()).get(name);
    return version === undefined ? versions?.at(-1)?.value : versions?.find((each) => each.version === version)?.value;
  }

  async set(name: string, value: string, options: SetOptions = {}): Promise<number> {
    if (!NAME.test(name)) {
      throw new SecretRefusedError(name, 'a name begins with a letter and holds letters, digits, _ . and -, up to 128');
    }
    if (value === '') throw new SecretRefusedError(name, 'its value is empty');
    if (value.includes('\0'))
      throw new SecretRefusedError(name, 'its value holds a NUL byte, which no environment can');
    if (!value.isWellFormed()) throw new SecretRefusedError(name, 'its value is not Unicode text');
    if (Buffer.byteLength(value) > MAX_BYTES)
      throw new SecretRefusedError(name, `its value is longer than ${MAX_BYTES} bytes`);
    return this.#change((content) => {
      const versions = content.get(name) ?? [];
      const current = versions.at(-1)?.version ?? 0;
      if (options.cas !== undefined && options.cas !== current)
        throw new SecretConflictError(name, options.cas, current);
      content.set(name, [...versions, { version: current + 1, value, time: this.#now() }].slice(-VERSIONS_KEPT));
      return current + 1;
    });
  }

  async list(): Promise<readonly SecretInfo[]> {
    return [...(await this.#read())]
      .map(([name, versions]) => ({
        name,
        version: versions.at(-1)?.version ?? 0,
        kept: versions.map((each) => each.version),
        updatedAt: versions.at(-1)?.time ?? 0,
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #read(): Promise<Content> {
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
      throw this.#unusable(error);
    }
    const key = await readKey(this.#keyFile);
    if (key === null) {
      const hint = `Restore ${this.#keyFile} from a backup: nothing can be decrypted without it. Without a backup, remove ${this.#file} and set all secrets anew.`;
      throw new SecretStoreError(this.#file, `its key ${this.#keyFile} is missing`, hint);
    }
    const envelope = parseEnvelope(text);
    const plaintext = envelope === null ? null : openEnvelope(key, this.#context, envelope);
    if (plaintext === null) {
      const hint = `Restore the file together with its key from a backup (docs/secrets.md).`;
      throw new SecretStoreError(this.#file, 'it is damaged, or belongs to another key or environment', hint);
    }
    return new Map(JSON.parse(plaintext) as [string, Version[]][]);
  }

  /** Reads, changes and writes as one step: whoever else writes comes before or after. */
  async #change(change: (content: Content) => number): Promise<number> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const version = await withFileLock(`${this.#file}.lock`, LOCK_TIMEOUT_MS, async () => {
        const content = await this.#read();
        const result = change(content);
        await this.#write(content);
        return result;
      });
      if (version !== null) return version;
    } catch (error) {
      throw this.#unusable(error);
    }
    throw new SecretStoreError(this.#file, 'another process has been writing to it for 5 s', 'Try again.');
  }

  async #write(content: Content): Promise<void> {
    const key = await makeKey(this.#keyFile);
    const envelope = sealEnvelope(key, this.#context, JSON.stringify([...content]));
    const fresh = `${this.#file}.${randomUUID()}.new`;
    try {
      await replaceFileDurably(this.#file, `${JSON.stringify(envelope)}\n`, fresh);
    } finally {
      await rm(fresh, { force: true });
    }
  }

  get #context(): string {
    return `veza-secrets/1/${this.#environment}`;
  }

  #unusable(error: unknown): unknown {
    if (error instanceof VezaError) return error;
    const reason = error instanceof Error ? error.message : 'unknown failure';
    return new SecretStoreError(this.#file, reason, 'Check free space and permissions of the folder, then try again.');
  }
}
