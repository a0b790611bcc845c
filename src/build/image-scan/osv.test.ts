import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { lookUpVulnerabilities } from './osv.ts';

const signal = new AbortController().signal;
const lodash = { ecosystem: 'npm', name: 'lodash', version: '4.17.20', licence: null, where: 'the SBOM' };
const advisory = {
  id: 'GHSA-35jh-r3h4-6jhm',
  aliases: ['CVE-2021-23337'],
  summary: 'Command Injection in lodash',
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H' }],
  affected: [
    {
      package: { ecosystem: 'npm', name: 'lodash' },
      ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '4.17.21' }] }],
    },
  ],
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'osv-'));
  closing.push(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

async function apiThat(answers: RequestListener): Promise<string> {
  const server = createServer(answers).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const lookUp = (folder: string | null, api: string | null, timeLimitMs = 5000) =>
  lookUpVulnerabilities([lodash, { ...lodash, version: '4.17.21' }], { folder, api, timeLimitMs }, signal);

describe('vulnerabilities are looked up', () => {
  it('in a folder of OSV files', async () => {
    const answer = await lookUp(await folderWith({ 'a.json': JSON.stringify(advisory) }), null);
    expect(answer).toMatchObject({
      kind: 'checked',
      incomplete: null,
      known: [{ id: advisory.id, severity: 'high', fixed: '4.17.21', component: lodash }],
    });
  });

  it('at the API, page by page', async () => {
    const asked: unknown[] = [];
    const api = await apiThat((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url !== '/v1/querybatch') return void response.end(JSON.stringify(advisory));
        const { queries } = JSON.parse(Buffer.concat(chunks).toString()) as {
          queries: { version: string; page_token?: string }[];
        };
        asked.push(queries);
        const results = queries.map(({ version, page_token: page }) => {
          if (version !== '4.17.20') return {};
          return page === undefined ? { next_page_token: 'two' } : { vulns: [{ id: advisory.id }] };
        });
        response.end(JSON.stringify({ results }));
      });
    });
    expect(await lookUp(null, api)).toMatchObject({ kind: 'checked', known: [{ id: advisory.id, severity: 'high' }] });
    expect(asked).toHaveLength(2);
  });

  it('at the API when the folder holds nothing', async () => {
    const api = await apiThat((_, response) => response.end('{"results":[{},{}]}'));
    expect(await lookUp(await folderWith({}), api)).toMatchObject({ kind: 'checked', known: [] });
  });
});

describe('it is said that nothing was checked', () => {
  it.each([
    ['no data is configured', null, null, 'no OSV data is configured'],
    ['the folder is not there', '/nowhere/osv', null, 'cannot be read (ENOENT)'],
    ['nobody listens', null, 'http://127.0.0.1:9', 'cannot be reached'],
  ])('when %s', async (_, folder, api, why) => {
    expect(await lookUp(folder, api)).toEqual({ kind: 'not-checked', why: expect.stringContaining(why) as string });
  });
  it.each<[string, RequestListener, string]>([
    ['fails', (_, response) => response.writeHead(503).end('busy'), 'answered 503'],
    ['answers something else', (_, response) => response.end('<html>'), 'no JSON'],
    ['answers less than was asked', (_, response) => response.end('{"results":[]}'), '0 answers to 2 questions'],
  ])('when the API %s', async (_, listener, why) => {
    expect(await lookUp(null, await apiThat(listener))).toEqual({
      kind: 'not-checked',
      why: expect.stringContaining(why) as string,
    });
  });
  it('when the API takes longer than the limit', async () => {
    const api = await apiThat(() => undefined);
    expect(await lookUp(null, api, 200)).toEqual({ kind: 'not-checked', why: 'no answer within 0.2 s' });
  });
  it('in part when a file of the folder cannot be read', async () => {
    const folder = await folderWith({ 'a.json': JSON.stringify(advisory), 'b.json': '{' });
    expect(await lookUp(folder, null)).toMatchObject({
      kind: 'checked',
      incomplete: expect.stringContaining('1 files') as string,
    });
  });
});
