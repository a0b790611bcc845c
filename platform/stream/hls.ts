import { PassThrough, pipeline, type Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { Problem } from '../kit/problem.ts';
import type { ObjectHead, ObjectStorage } from '../storage/object-storage.ts';
import { againWhenChanged, mustKnow, mustOpen } from './audio.ts';
import { contentHeaders } from './content-type.ts';
import { timestampTag } from './mp3/id3.ts';
import { NotMp3, readTimeline, type Timeline } from './mp3/timeline.ts';
import type { OpenStreams } from './open-streams.ts';
import { writePlaylist } from './playlist.ts';
import { evaluate } from './precondition.ts';

const SEGMENT_SECONDS = 6;
// Of all timelines that are kept: 100,000 segments are about a week of sound, and 10 MB of memory.
const KEPT_SEGMENTS = 100_000;

/**
 * HLS of MP3 files as packed audio (RFC 8216, section 3.4): each segment is a run of whole frames of the file as it is, after
 * a tag with its time. Nothing is converted, so nothing else can be served like this: WAV and the others are played by
 * range alone.
 */
export class Hls {
  readonly #storage: ObjectStorage;
  readonly #streams: OpenStreams;
  readonly #timelines = new LRUCache<string, { readonly segments: number; readonly timeline: Promise<Timeline> }>({
    max: 10_000,
    maxSize: KEPT_SEGMENTS,
    sizeCalculation: ({ segments }) => segments,
  });

  constructor(storage: ObjectStorage, streams: OpenStreams) {
    this.#storage = storage;
    this.#streams = streams;
  }

  /**
   * Answers with the playlist.
   *
   * @param segmentUri of the segment with that number, as it is written into it
   * @throws Problem 404 when there is no such audio, or none that can be cut
   */
  sendPlaylist(
    request: FastifyRequest,
    reply: FastifyReply,
    key: string,
    segmentUri: (index: number) => string,
  ): Promise<FastifyReply> {
    return againWhenChanged(async () => {
      const head = await mustKnow(this.#storage, key);
      const playlist = writePlaylist(await this.#timelineOf(key, head), segmentUri);
      return reply
        .headers(contentHeaders('audio/mpeg'))
        .header('cache-control', 'private, no-cache')
        .type('application/vnd.apple.mpegurl')
        .send(request.method === 'HEAD' ? null : playlist);
    });
  }

  /** Answers with one segment. @throws Problem 404, also when there is no segment with that number */
  sendSegment(request: FastifyRequest, reply: FastifyReply, key: string, index: number): Promise<FastifyReply> {
    return againWhenChanged(async () => {
      const head = await mustKnow(this.#storage, key);
      const { segments, sampleRate } = await this.#timelineOf(key, head);
      const segment = segments[index];
      if (segment === undefined) throw new Problem(404, 'no-such-segment', 'The audio is over before that.');
      reply
        .headers(contentHeaders('audio/mpeg'))
        .header('etag', `"${head.etag}-${index}"`)
        .header('cache-control', 'private, no-cache');
      if (evaluate(request.headers, `${head.etag}-${index}`) === 'not-modified') return reply.code(304).send();
      const tag = timestampTag(segment.startSample, sampleRate);
      const bytes = tag.length + segment.bytes;
      if (request.method === 'HEAD') return reply.header('content-length', bytes).send();
      this.#streams.admit(reply.raw);
      const range = { first: segment.offset, last: segment.offset + segment.bytes - 1 };
      const { body } = await mustOpen(this.#storage, key, head, range);
      return reply.header('content-length', bytes).send(after(tag, body));
    });
  }

  /** Reads a file once, however many ask for it at the same time. */
  async #timelineOf(key: string, head: ObjectHead): Promise<Timeline> {
    if (head.contentType !== 'audio/mpeg') throw cannotBeCut();
    const name = `${key} ${head.etag}`;
    let known = this.#timelines.get(name);
    if (known === undefined) {
      const timeline = this.#read(key, head);
      // Its size is known when it has been read: until then it counts as an hour's.
      known = { segments: 600, timeline };
      this.#timelines.set(name, known);
      timeline.then(
        ({ segments }) => this.#timelines.set(name, { segments: segments.length, timeline }),
        () => this.#timelines.delete(name),
      );
    }
    try {
      return await known.timeline;
    } catch (error) {
      throw error instanceof NotMp3 ? cannotBeCut() : error;
    }
  }

  async #read(key: string, head: ObjectHead): Promise<Timeline> {
    const { body } = await mustOpen(this.#storage, key, head);
    return readTimeline(body, SEGMENT_SECONDS);
  }
}

function cannotBeCut(): Problem {
  return new Problem(404, 'no-hls', 'Only MP3 audio can be had in segments. Play the audio itself, by range.');
}

/** A few bytes, then a body. Destroying it destroys the body. */
function after(tag: Buffer, body: Readable): Readable {
  const out = new PassThrough();
  out.write(tag);
  pipeline(body, out, () => {
    // An error destroys both; who reads sees it.
  });
  return out;
}
