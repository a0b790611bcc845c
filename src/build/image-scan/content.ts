/* oxlint-disable no-control-regex -- the bytes by which formats are known */
import { componentsOfFile, componentsOfProgram, MANIFEST_FILE } from '../../core/policy/image/components.ts';
import { findSecrets, secretsByPath, type TextKind, textKindOf } from '../../core/policy/image/find-secrets.ts';
import type { Clue, Component, Unread } from '../../core/policy/image/inspection.ts';
import { learningByPath, learningInContent, modelByHead, modelByMembers } from '../../core/policy/image/learning.ts';
import { ByteSource } from './byte-source.ts';
import type { ScanLimits, Spent } from './limits.ts';
import { type Packing, packingOf, unpack } from './packing.ts';
import { readTar, TarRefused } from './tar.ts';
import { unpackMember, zipMembers, zipNamesIn } from './zip.ts';

/** So much of a file is looked at together; what is longer than the overlap may be missed where two windows meet. */
const WINDOW = 256 * 1024;
const OVERLAP = 8 * 1024;
const HEAD = 4096;
const MOST_MANIFEST = 16 * 1024 * 1024;

/** What the content of a layer's files gave; the layer's number is not known while it is read. */
export interface ContentFound {
  readonly clues: Omit<Clue, 'layer'>[];
  readonly components: Component[];
  readonly unread: Omit<Unread, 'layer'>[];
}

/** Thrown when an image asks for more than `ScanLimits`. */
export class TooMuch extends Error {}

/** Looks into files, and into archives in them, piece by piece: memory does not grow with the file. */
export class ContentReader {
  readonly found: ContentFound = { clues: [], components: [], unread: [] };
  readonly #limits: ScanLimits;
  readonly #spent: Spent;
  readonly #signal: AbortSignal;

  constructor(limits: ScanLimits, spent: Spent, signal: AbortSignal) {
    this.#limits = limits;
    this.#spent = spent;
    this.#signal = signal;
  }

  /** @param size of the content, in bytes; null when it comes out of a stream that does not say */
  async read(path: string, size: number | null, pieces: AsyncIterable<Uint8Array>, depth = 0): Promise<void> {
    const source = new ByteSource(pieces);
    const headBytes = await source.peek(HEAD);
    const head = headBytes.toString('latin1');
    for (const secret of secretsByPath(path.split('!').at(-1) ?? path, size ?? headBytes.byteLength))
      this.#clue('secret', path, secret, null);
    const model = modelByHead(path, head);
    if (model !== null) this.#clue('learning', path, { what: model, severity: 'refuse' }, null);
    if (isPrivateKeyInDer(headBytes)) {
      this.#clue('secret', path, { what: 'a private key (DER)', severity: 'refuse' }, null);
    }
    const packing = packingOf(head);
    if (packing === null) await this.#text(path, headBytes, source);
    else await this.#packed(path, size, packing, source, depth);
  }

  #clue(
    kind: Clue['kind'],
    path: string,
    { what, severity }: Pick<Clue, 'what' | 'severity'>,
    line: number | null,
  ): void {
    this.#spent.clues += 1;
    if (this.#spent.clues > this.#limits.mostClues)
      throw new TooMuch(`more than ${this.#limits.mostClues} findings in its files`);
    this.found.clues.push({ kind, severity, path, what, line });
  }

  #cannot(path: string, why: string): void {
    this.found.unread.push({ path, why });
  }

  async #text(path: string, head: Buffer, source: ByteSource): Promise<void> {
    const wide = head[0] === 0xff && head[1] === 0xfe ? 'utf16le' : null;
    const isBinary = wide === null && head.includes(0);
    const isProgram =
      isBinary && /^(?:\x7fELF|MZ|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|!<arch>)/.test(head.toString('latin1', 0, 8));
    const kind: TextKind = isBinary ? 'other' : textKindOf(path.split('!').at(-1) ?? path);
    const manifest: string[] | null = MANIFEST_FILE.test(path.split('!').at(-1) ?? path) ? [] : null;
    const seen = new Set<string>();
    const names = new Set<string>();
    let manifestBytes = 0;
    let [before, linesBefore, startsAt] = ['', 0, 0];
    for (;;) {
      this.#signal.throwIfAborted();
      const piece = await source.take(WINDOW);
      if (piece.byteLength === 0) break;
      const fresh = piece.toString(wide ?? 'latin1');
      const window = before + fresh;
      for (const { what, severity, index } of findSecrets(window, kind)) {
        const key = `${startsAt + index} ${what}`;
        if (seen.has(key)) continue;
        seen.add(key);
        this.#clue('secret', path, { what, severity }, isBinary ? null : linesBefore + linesUpTo(window, index) + 1);
      }
      for (const { what } of learningInContent(window)) {
        if (seen.has(what)) continue;
        seen.add(what);
        this.#clue('learning', path, { what, severity: 'refuse' }, null);
      }
      if (isProgram)
        this.found.components.push(
          ...componentsOfProgram(window, path).filter((one) => isNew(names, `${one.name}@${one.version}`)),
        );
      // An archive behind something else: a program that unpacks itself.
      if (isBinary || window.includes('PK\u0003\u0004')) this.#zipNames(path, window, names);
      manifestBytes += piece.byteLength;
      if (manifest !== null && manifestBytes <= MOST_MANIFEST) manifest.push(piece.toString('utf8'));
      const keep = Math.min(window.length, OVERLAP);
      startsAt += window.length - keep;
      linesBefore += linesUpTo(window, window.length - keep);
      before = window.slice(window.length - keep);
    }
    if (manifest === null) return;
    if (manifestBytes > MOST_MANIFEST) this.#cannot(path, `${manifestBytes} bytes of a list of packages`);
    else this.found.components.push(...componentsOfFile(path, manifest.join('')));
  }

  #zipNames(path: string, window: string, seen: Set<string>): void {
    for (const name of zipNamesIn(window)) {
      if (!isNew(seen, name)) continue;
      const what = learningByPath(name, 1, name.endsWith('/'));
      if (what !== null && isNew(seen, what))
        this.#clue('learning', `${path}!${printable(name)}`, { what, severity: 'refuse' }, null);
    }
  }

  async #packed(path: string, size: number | null, packing: Packing, source: ByteSource, depth: number): Promise<void> {
    if (depth >= this.#limits.mostDepth) return this.#cannot(path, `an archive in ${depth} others`);
    switch (packing) {
      case 'gzip':
      case 'zstd':
        return await this.#compressed(path, packing, source, depth);
      case 'tar':
        return await this.#tar(path, source, depth);
      case 'zip':
        return await this.#zip(path, size, source, depth);
      case 'bzip2':
      case 'xz':
      case '7z':
      case 'lz4':
      case 'rar':
        return this.#cannot(path, `packed with ${packing}, which is not unpacked here`);
    }
  }

  async #compressed(path: string, packing: 'gzip' | 'zstd', source: ByteSource, depth: number): Promise<void> {
    const unpacking = unpack(source.remaining(), packing);
    const inner = path.replace(/\.(?:gz|tgz|zst|svgz)$/i, (ending) => (/tgz/i.test(ending) ? '.tar' : ''));
    try {
      await this.read(
        `${path}!${inner.slice(inner.lastIndexOf('/') + 1)}`,
        null,
        this.#nested(unpacking.content),
        depth + 1,
      );
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#cannot(path, `looks like ${packing} and cannot be unpacked`);
    } finally {
      await unpacking.stop();
    }
  }

  async #tar(path: string, source: ByteSource, depth: number): Promise<void> {
    try {
      const rest = await readTar(
        source.remaining(),
        async (entry, body) => {
          this.#entry(`${path}!${entry.name}`, entry.name, entry.size, entry.type === 'folder');
          if (entry.type === 'file') await this.read(`${path}!${printable(entry.name)}`, entry.size, body, depth + 1);
        },
        this.#signal,
      );
      for await (const piece of rest)
        if (piece.some((byte) => byte !== 0)) return this.#cannot(path, 'something follows its end');
    } catch (error) {
      if (!(error instanceof TarRefused)) throw error;
      this.#cannot(path, `a tar of which ${error.message}`);
    }
  }

  async #zip(path: string, size: number | null, source: ByteSource, depth: number): Promise<void> {
    const { mostZipBytes, mostNestedBytes } = this.#limits;
    const pieces: Buffer[] = [];
    const names = new Set<string>();
    let bytes = 0;
    let before = '';
    for await (const piece of source.remaining()) {
      bytes += piece.byteLength;
      const window = before + piece.toString('latin1');
      this.#zipNames(path, window, names);
      before = window.slice(-OVERLAP);
      if (bytes <= mostZipBytes) pieces.push(piece);
      else pieces.length = 0;
    }
    const model = modelByMembers([...names]);
    if (model !== null) this.#clue('learning', path, { what: model, severity: 'refuse' }, null);
    if (bytes > mostZipBytes)
      return this.#cannot(path, `a ZIP of ${size ?? bytes} bytes, of which only the names were read`);
    const zip = Buffer.concat(pieces);
    const members = zipMembers(zip);
    if (members === null) return this.#cannot(path, 'looks like a ZIP and has no list of its files');
    const listed = modelByMembers(members.map(({ name }) => name));
    if (listed !== null && model === null) this.#clue('learning', path, { what: listed, severity: 'refuse' }, null);
    for (const member of members) {
      const inner = `${path}!${printable(member.name)}`;
      this.#entry(inner, member.name, member.bytes, member.name.endsWith('/'));
      if (member.name.endsWith('/') && member.bytes === 0) continue;
      const content = await unpackMember(zip, member, mostNestedBytes - this.#spent.nestedBytes);
      if (content === null)
        this.#cannot(inner, member.isEncrypted ? 'is encrypted' : 'cannot be unpacked, or is too large');
      else await this.read(inner, content.byteLength, this.#nested(once(content)), depth + 1);
    }
  }

  /** An entry of an archive counts as one of the image: what its name alone says is looked at like theirs. */
  #entry(shown: string, name: string, size: number, isFolder: boolean): void {
    this.#spent.entries += 1;
    if (this.#spent.entries > this.#limits.mostEntries)
      throw new TooMuch(`more than ${this.#limits.mostEntries} files`);
    const what = learningByPath(name, size, isFolder);
    if (what !== null) this.#clue('learning', printable(shown), { what, severity: 'refuse' }, null);
  }

  async *#nested(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      this.#spent.nestedBytes += piece.byteLength;
      if (this.#spent.nestedBytes > this.#limits.mostNestedBytes) {
        throw new TooMuch(`the archives in it unpack to more than ${this.#limits.mostNestedBytes} bytes`);
      }
      yield piece;
    }
  }
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(content);
}

function isNew(seen: Set<string>, key: string): boolean {
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

const printable = (name: string): string => name.replace(/[\p{Cc}!]/gu, '?').slice(0, 1024);

function linesUpTo(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/** Of zlib and of a stream that was cut off. */
const isDamage = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(?:Z_|ZSTD_|ERR_STREAM_PREMATURE|ERR_ZLIB|ERR_ZSTD)/.test(error.code);

/** PKCS #8 (RFC 5958) and PKCS #1 (RFC 8017, A.1.2): a sequence, version 0, and an algorithm or a modulus. */
function isPrivateKeyInDer(head: Buffer): boolean {
  return /^\x30(?:[\x20-\x7f]|\x81[\s\S]|\x82[\s\S]{2})\x02\x01[\0\x01](?:\x30[\x05-\x20]\x06[\x03-\x0b]|\x02\x82[\s\S]{2}|\x02\x81[\s\S])/.test(
    head.toString('latin1', 0, 32),
  );
}
