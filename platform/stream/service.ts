import { z } from 'zod';
import { Problem } from '../kit/problem.ts';
import type { RunningService, ServiceContext, ServiceDefinition } from '../kit/service.ts';
import { createStorage } from '../storage/create-storage.ts';
import { sendAudio } from './audio.ts';
import { Hls } from './hls.ts';
import { OpenStreams } from './open-streams.ts';
import { streamSettings } from './settings.ts';
import { audioPath, parseMediaKeys, playlistPath, segmentPath, signPath, verifySignature } from './signed-url.ts';

// How often stalled streams are looked for; a fraction of the time that they may stall.
const LOOKS = 4;

const signed = z.object({
  expires: z.string().max(20).optional().describe('seconds since 1970 until which the URL holds'),
  sig: z.string().max(100).optional().describe('proves that the platform has handed the URL out'),
});
const keyed = z.object({ key: z.string().max(512) });

/** Plays audio out of the object storage, to whoever shows a URL that the platform has signed. Has no tables. */
export const streamService: ServiceDefinition<typeof streamSettings> = {
  name: 'stream',
  settings: streamSettings,
  example: { STORAGE_URL: 'file:///var/empty', MEDIA_KEY: 'an example that signs nothing for anybody' },
  start: startStream,
};

function startStream(context: ServiceContext<z.output<typeof streamSettings>>): Promise<RunningService> {
  const { app, settings, clock, metrics } = context;
  const keys = parseMediaKeys(settings.MEDIA_KEY);
  const storage = createStorage(settings.STORAGE_URL);
  const streams = new OpenStreams({ limit: settings.STREAM_LIMIT, stalledMs: settings.STREAM_STALLED_MS, clock });
  const hls = new Hls(storage, streams);

  metrics.gauge({
    name: 'streams_open',
    help: 'Bodies that are being sent.',
    collect: (gauge) => gauge.set(streams.count),
  });
  const stalled = metrics.counter({
    name: 'streams_stalled_total',
    help: 'Bodies that were cut off because their client took nothing any more.',
  });
  const looking = setInterval(() => stalled.inc(streams.endStalled()), settings.STREAM_STALLED_MS / LOOKS).unref();
  // Not critical: a client that is told to wait is better off than one whose every instance has vanished.
  context.dependency('storage', (signal) => storage.check(signal), { critical: false });

  const mustBeSigned = (path: string, query: z.output<typeof signed>): void => {
    const verdict = verifySignature(keys, path, query, clock());
    if (verdict === 'expired') throw new Problem(403, 'url-expired', 'The URL holds no longer. Ask for another one.');
    if (verdict === 'forged') throw new Problem(403, 'url-not-signed', 'The URL is not one that was handed out.');
  };

  app.route({
    method: ['GET', 'HEAD'],
    url: '/media/v1/audio/:key',
    schema: { summary: 'Audio, or a range of it', params: keyed, querystring: signed },
    handler: async (request, reply) => {
      const { key } = request.params;
      mustBeSigned(audioPath(key), request.query);
      return sendAudio(request, reply, { storage, key, streams });
    },
  });

  app.route({
    method: ['GET', 'HEAD'],
    url: '/media/v1/hls/:key/index.m3u8',
    schema: { summary: 'HLS playlist of MP3 audio', params: keyed, querystring: signed },
    handler: async (request, reply) => {
      const { key } = request.params;
      mustBeSigned(playlistPath(key), request.query);
      // The segments hold as long as the playlist does.
      const expires = Number(request.query.expires);
      return hls.sendPlaylist(request, reply, key, (index) =>
        lastPart(signPath(keys, segmentPath(key, index), expires)),
      );
    },
  });

  app.route({
    method: ['GET', 'HEAD'],
    url: '/media/v1/hls/:key/:segment',
    schema: {
      summary: 'One segment of an HLS playlist',
      params: keyed.extend({ segment: z.string().regex(/^(?:0|[1-9]\d{0,6})\.mp3$/, 'is <number>.mp3') }),
      querystring: signed,
    },
    handler: async (request, reply) => {
      const { key } = request.params;
      const index = Number.parseInt(request.params.segment, 10);
      mustBeSigned(segmentPath(key, index), request.query);
      return hls.sendSegment(request, reply, key, index);
    },
  });

  return Promise.resolve({
    async close() {
      clearInterval(looking);
      await storage.close();
    },
  });
}

/** Segments lie beside their playlist: relative URLs hold wherever it was reached. */
function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
