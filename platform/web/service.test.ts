import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startService, type StartedService } from '../kit/service.ts';
import { precompressFolder } from './bundle/precompress.ts';
import { web } from './service.ts';

let root: string;
const running: StartedService[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'veza-web-'));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop()));
  await rm(root, { recursive: true, force: true });
});

/** A release as the build leaves it: a page that names its script, which compresses. */
async function release(name: string): Promise<string> {
  const folder = join(root, name);
  await mkdir(join(folder, 'assets'), { recursive: true });
  await writeFile(join(folder, 'index.html'), `<!doctype html><script src="/assets/${name}.js"></script>`.padEnd(2000));
  await writeFile(join(folder, 'not-found.html'), '<!doctype html>not found');
  await writeFile(join(folder, 'assets', `${name}.js`), `console.log('${name}');`.repeat(100));
  await precompressFolder(folder);
  return folder;
}

async function serve(name: string, environment: Record<string, string> = {}): Promise<string> {
  const service = await startService(web, {
    PORT: '0',
    LOG_LEVEL: 'silent',
    PUBLIC_FOLDER: await release(name),
    VEZA_DATA: join(root, 'data'),
    ...environment,
  });
  running.push(service);
  return service.url;
}

/** Without fetch, which asks for compression and undoes it. */
function get(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

describe('the web service', () => {
  test.each(['/', '/login', '/search?q=x', '/track/0b7f', '/playlists/1', '/chat/abc', '/me'])(
    'answers %s with the page, to be asked for every time',
    async (path) => {
      const url = await serve('one');
      const answer = await get(url + path);
      expect(answer.status).toBe(200);
      expect(answer.body.toString()).toContain('/assets/one.js');
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-cache', 'content-type': 'text/html; charset=utf-8' });
    },
  );

  test('says that the page has not changed, for each of its forms', async () => {
    const url = await serve('one');
    const plain = await get(url);
    const small = await get(url, { 'accept-encoding': 'br' });
    expect(small.headers['content-encoding']).toBe('br');
    expect(small.body.length).toBeLessThan(plain.body.length);
    expect(small.headers['etag']).not.toBe(plain.headers['etag']);
    const again = await get(url, { 'accept-encoding': 'br', 'if-none-match': String(small.headers['etag']) });
    expect(again.status).toBe(304);
    expect(again.body).toHaveLength(0);
    expect((await get(url, { 'if-none-match': '"another"' })).status).toBe(200);
  });

  test('gives its assets for ever, as small as the client takes them', async () => {
    const url = await serve('one');
    const sizes = new Map<string, number>();
    for (const encoding of ['identity', 'gzip', 'br']) {
      const answer = await get(`${url}/assets/one.js`, { 'accept-encoding': encoding });
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'cache-control': 'public, max-age=31536000, immutable',
        'content-type': 'text/javascript; charset=utf-8',
        vary: 'accept-encoding',
      });
      expect(answer.headers['content-encoding']).toBe(encoding === 'identity' ? undefined : encoding);
      sizes.set(encoding, answer.body.length);
    }
    expect(sizes.get('gzip')).toBeLessThan(sizes.get('identity') ?? 0);
    expect(sizes.get('br')).toBeLessThan(sizes.get('identity') ?? 0);
  });

  test.each(['/assets/missing.js', '/assets/', '/assets/..%2findex.html', '/assets/a/b.js'])(
    'never answers %s with a page',
    async (path) => {
      const url = await serve('one');
      const answer = await get(url + path, { accept: 'text/html' });
      expect(answer.status).toBe(404);
      expect(answer.headers).toMatchObject({
        'cache-control': 'no-store',
        'content-type': expect.stringContaining('application/problem+json'),
      });
    },
  );

  test('has a page for people who are lost, and a problem for programs', async () => {
    const url = await serve('one');
    const page = await get(`${url}/no/such/page`, { accept: 'text/html,*/*' });
    expect(page.status).toBe(404);
    expect(page.body.toString()).toContain('not found');
    const problem = await get(`${url}/no/such/page`);
    expect(problem.status).toBe(404);
    expect(problem.headers['content-type']).toContain('application/problem+json');
  });

  test.each(['/', '/assets/one.js', '/assets/missing.js', '/lost'])(
    'keeps everything foreign out of %s',
    async (path) => {
      const url = await serve('one');
      const { headers } = await get(url + path);
      const policy = String(headers['content-security-policy']);
      expect(policy).toMatch(/^default-src 'none';/);
      expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(headers).toMatchObject({
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
      });
      expect(String(headers['permissions-policy'])).toContain('camera=()');
      expect(headers['set-cookie']).toBeUndefined();
    },
  );

  test('gives the assets of both releases from instances of either, while and after one replaces the other', async () => {
    const first = await serve('one');
    const second = await serve('two');
    for (const url of [first, second]) {
      for (const asset of ['one.js', 'two.js']) {
        await expect.poll(async () => (await get(`${url}/assets/${asset}`)).status, { timeout: 5000 }).toBe(200);
      }
    }
    await running.shift()?.stop();
    const old = await get(`${second}/assets/one.js`, { 'accept-encoding': 'br' });
    expect(old.status).toBe(200);
    expect(old.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'br',
    });
    expect((await get(second)).body.toString()).toContain('/assets/two.js');
  });

  test('does without a place for old assets', async () => {
    const url = await serve('one', { VEZA_DATA: '' });
    expect((await get(`${url}/assets/one.js`)).status).toBe(200);
    expect((await get(`${url}/assets/two.js`)).status).toBe(404);
  });

  test('does not start when nothing was built', async () => {
    const start = startService(web, { PORT: '0', LOG_LEVEL: 'silent', PUBLIC_FOLDER: join(root, 'nowhere') });
    await expect(start).rejects.toThrow(/index\.html is not there/);
  });
});
