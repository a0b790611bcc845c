import { array, object, parse, string, type infer as Infer } from 'zod/mini';

const remembered = array(object({ person: string(), sha256: string(), track: string() }));
type Remembered = Infer<typeof remembered>;

const KEY = 'veza.uploads';
const AT_MOST = 20;

/**
 * Which uploads are not complete, by the hash of their file: chosen again, also after the browser was closed, an upload goes
 * on. Nothing about the file itself is kept, and it is forgotten at the end of the upload and of the session.
 */
export class UploadMemory {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>) {
    this.#storage = storage;
  }

  trackOf(person: string, sha256: string): string | null {
    return this.#read().find((one) => one.person === person && one.sha256 === sha256)?.track ?? null;
  }

  remember(person: string, sha256: string, track: string): void {
    const others = this.#read().filter((one) => one.track !== track);
    this.#write([{ person, sha256, track }, ...others].slice(0, AT_MOST));
  }

  forget(track: string): void {
    this.#write(this.#read().filter((one) => one.track !== track));
  }

  clear(): void {
    this.#storage.removeItem(KEY);
  }

  #read(): Remembered {
    try {
      return parse(remembered, JSON.parse(this.#storage.getItem(KEY) ?? '[]'));
    } catch {
      return [];
    }
  }

  #write(uploads: Remembered): void {
    if (uploads.length === 0) this.clear();
    else this.#storage.setItem(KEY, JSON.stringify(uploads));
  }
}
