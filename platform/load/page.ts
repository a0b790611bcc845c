import { createHash } from 'node:crypto';
import type { Account } from './account.ts';
import { Mismatch, same, type Answer, type Asker } from './ask.ts';

interface Asset {
  readonly path: string;
  /** Of what it was when it was first read; null before. */
  sha256: string | null;
}

const pagesKept = 8;

/**
 * Web's page and its assets, as browsers read them. A page that was opened long ago asks for its assets late: what it names must
 * be there, and be the same bytes, whatever has been deployed since.
 */
export class Pages {
  readonly #asker: Asker;
  /** Assets that some page which is still open names, by their path. */
  readonly #assets = new Map<string, Asset>();
  readonly #open: (readonly Asset[])[] = [];

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  async visit(account: Account, dueMs: number): Promise<void> {
    const page = await this.#asker.ask({
      operation: 'page',
      dueMs,
      ...this.#get(account, '/'),
      read: (answer) => {
        if (!isPage(answer)) throw new Mismatch('the page is no HTML');
        if (answer.headers['content-security-policy'] === undefined) throw new Mismatch('no content-security-policy');
        const paths = assetsOf(answer);
        if (paths.length === 0) throw new Mismatch('the page names no assets');
        return paths;
      },
    });
    if (page === null) return;
    this.#open.push(page.value.map((path) => this.#asset(path)));
    // The one that was opened first asks now.
    const late = this.#open.length > pagesKept ? this.#open.shift() : this.#open[0];
    for (const asset of late ?? []) await this.#fetch(account, asset);
  }

  async #fetch(account: Account, asset: Asset): Promise<void> {
    await this.#asker.ask({
      operation: 'page',
      ...this.#get(account, asset.path),
      read: (answer) => {
        if (isPage(answer)) throw new Mismatch('a page instead of an asset');
        const sha256 = createHash('sha256').update(answer.bytes).digest('hex');
        asset.sha256 ??= sha256;
        same('sha256 of the asset', sha256, asset.sha256);
      },
    });
  }

  #asset(path: string): Asset {
    const asset = this.#assets.get(path) ?? { path, sha256: null };
    this.#assets.set(path, asset);
    return asset;
  }

  #get(account: Account, path: string) {
    return { method: 'GET', path, expect: [200], as: account, signedIn: false } as const;
  }
}

const isPage = ({ headers }: Answer): boolean => headers['content-type']?.startsWith('text/html') ?? false;

function assetsOf({ bytes }: Answer): readonly string[] {
  return [...bytes.toString('utf8').matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].flatMap(([, path]) => path ?? []);
}
