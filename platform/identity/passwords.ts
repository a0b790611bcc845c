import { argon2, type Argon2Parameters, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { WorkQueue } from './work-queue.ts';

export interface HashingParameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, two passes, one lane. */
export const HASHING: HashingParameters = { memoryKiB: 19_456, passes: 2, parallelism: 1 };

const SALT_BYTES = 16;
const TAG_BYTES = 32;
// What a row of the database may ask of this process.
const MAX_MEMORY_KIB = 262_144;
const MAX_PASSES = 16;
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/;
const derive = promisify(argon2);

/** What came of comparing a password with a stored hash. */
export interface PasswordCheck {
  readonly matches: boolean;
  /** The hash was made with other parameters than today's: it is made anew while the password is at hand. */
  readonly outdated: boolean;
}

/** Argon2id (RFC 9106) out of Node's own cryptography, as PHC strings, with no more running at once than the queue lets. */
export class Passwords {
  readonly #queue: WorkQueue;
  readonly #parameters: HashingParameters;
  /** A hash of nothing: whoever logs in to an account that is not there waits as long as for one that is. */
  readonly #nobody: string;

  constructor(queue: WorkQueue, parameters: HashingParameters = HASHING) {
    this.#queue = queue;
    this.#parameters = parameters;
    this.#nobody = phc(parameters, randomBytes(SALT_BYTES), randomBytes(TAG_BYTES));
  }

  /** @throws Problem 503 `busy` */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const tag = await this.#derive(password, salt, this.#parameters, TAG_BYTES);
    return phc(this.#parameters, salt, tag);
  }

  /**
   * Compares; takes as long whether there is a hash or not.
   *
   * @param stored - null when there is no such account: never matches
   * @throws Problem 503 `busy`
   * @throws TypeError when what is stored is no hash of ours
   */
  async check(password: string, stored: string | null): Promise<PasswordCheck> {
    const { parameters, salt, tag } = parsePhc(stored ?? this.#nobody);
    const derived = await this.#derive(password, salt, parameters, tag.length);
    const matches = timingSafeEqual(derived, tag) && stored !== null;
    return { matches, outdated: phc(parameters, salt, tag) !== phc(this.#parameters, salt, tag) };
  }

  #derive(password: string, nonce: Buffer, parameters: HashingParameters, tagLength: number): Promise<Buffer> {
    const input: Argon2Parameters = {
      // The same characters typed on another keyboard must be the same password (NIST SP 800-63B section 3.1.1.2).
      message: password.normalize('NFKC'),
      nonce,
      memory: parameters.memoryKiB,
      passes: parameters.passes,
      parallelism: parameters.parallelism,
      tagLength,
    };
    return this.#queue.run(() => derive('argon2id', input));
  }
}

/** https://github.com/P-H-C/phc-string-format: base64 without padding. */
function phc({ memoryKiB, passes, parallelism }: HashingParameters, salt: Buffer, tag: Buffer): string {
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
}

function parsePhc(text: string): {
  readonly parameters: HashingParameters;
  readonly salt: Buffer;
  readonly tag: Buffer;
} {
  const [, memory, passes, parallelism, salt, tag] = PHC.exec(text) ?? [];
  const parameters = { memoryKiB: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  if (
    salt === undefined ||
    tag === undefined ||
    parameters.memoryKiB > MAX_MEMORY_KIB ||
    parameters.passes > MAX_PASSES
  )
    throw new TypeError('what is stored is not an Argon2id hash within bounds');
  return { parameters, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') };
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
