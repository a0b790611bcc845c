import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '../../kit/app.ts';
import { Problem } from '../../kit/problem.ts';
import { PATHS } from '../app/paths.ts';
import { chooseEncoding, ENCODINGS } from './choose-encoding.ts';
import type { ReleaseFiles } from './release-files.ts';
import { SECURITY_HEADERS } from './security-headers.ts';
import type { StoredFile } from './stored-file.ts';

const IMMUTABLE = 'public, max-age=31536000, immutable';
const ALWAYS_ASK = 'no-cache';

export interface Served {
  readonly release: ReleaseFiles;
  /** Looks for an asset of another release. */
  readonly findOld: (name: string) => Promise<StoredFile | null>;
}

/**
 * The routes: index.html for the pages of the app and nothing else, assets for ever, and an honest 404 for the rest. A
 * missing asset is never answered with a page: the browser would run it as a script, or keep it for a year.
 */
export function serve(app: App, { release, findOld }: Served): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS);
  });

  for (const path of Object.values(PATHS)) {
    app.get(path, { schema: { hide: true } }, (request, reply) =>
      send(request, reply, release.index, { status: 200, cacheControl: ALWAYS_ASK }),
    );
  }

  app.get('/assets/*', { schema: { hide: true } }, async (request, reply) => {
    const { '*': name } = request.params as { readonly '*': string };
    const file = release.assets.get(name) ?? (await findOld(name));
    if (file === null) {
      reply.header('cache-control', 'no-store');
      throw new Problem(404, 'asset-not-found', 'No release that is still kept has this asset.');
    }
    return send(request, reply, file, { status: 200, cacheControl: IMMUTABLE });
  });

  app.get('/*', { schema: { hide: true } }, (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (!(request.headers.accept ?? '').includes('text/html')) {
      throw new Problem(404, 'page-not-found', 'There is no page at this address.');
    }
    return send(request, reply, release.notFound, { status: 404, cacheControl: 'no-store' });
  });
}

function send(
  request: FastifyRequest,
  reply: FastifyReply,
  file: StoredFile,
  { status, cacheControl }: { readonly status: number; readonly cacheControl: string },
): FastifyReply {
  const encoding = chooseEncoding(
    request.headers['accept-encoding'],
    ENCODINGS.filter((form) => file.forms[form] !== undefined),
  );
  // Another form is another representation: it has another strong tag (RFC 9110, section 8.8.3).
  const etag = encoding === 'identity' ? `"${file.etag}"` : `"${file.etag}-${encoding}"`;
  reply.headers({ 'cache-control': cacheControl, vary: 'accept-encoding', etag });
  if (status === 200 && isNamed(request.headers['if-none-match'], etag)) return reply.code(304).send();
  if (encoding !== 'identity') reply.header('content-encoding', encoding);
  return reply
    .code(status)
    .type(file.contentType)
    .send(file.forms[encoding] ?? file.forms.identity);
}

function isNamed(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
}
