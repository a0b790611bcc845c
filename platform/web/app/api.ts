import { chatMessage, type ChatMessage } from './chat/frames.ts';
import * as read from './contracts.ts';
import { Failure, failureOf, isAbort, unreachable } from './failure.ts';
import type { Http } from './http.ts';
import type { UploadTarget } from './upload/upload.ts';
import { array, object } from 'zod/mini';

export interface TrackDeclaration {
  readonly id: string;
  readonly title: string;
  readonly language: string;
  readonly genre: string;
  readonly durationMs?: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly contentType: string;
}

/** A playlist with the version that was read: sent back, so that a change made elsewhere is not overwritten. */
export interface Versioned<T> {
  readonly value: T;
  readonly etag: string;
}

const ROOM_PAGE = 200;

const messages = object({ messages: array(chatMessage) });

/** Every request of the app, by name. */
export class Api {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  account = (signal: AbortSignal): Promise<read.Account> => this.#http.ask('/auth/v1/me', read.readAccount, { signal });

  discover(language: string | null, signal: AbortSignal): Promise<readonly read.Suggestion[]> {
    const query = language === null ? '' : `?${new URLSearchParams({ language }).toString()}`;
    return this.#http.ask(`/api/v1/discover${query}`, read.readDiscovered, { signal });
  }

  search(q: string, cursor: string | null, signal: AbortSignal): Promise<read.TrackPage> {
    const query = new URLSearchParams({ q, ...(cursor === null ? {} : { cursor }) });
    return this.#http.ask(`/api/v1/search?${query.toString()}`, read.readTrackPage, { signal });
  }

  track = (id: string, signal: AbortSignal): Promise<read.Track> =>
    this.#http.ask(`/api/v1/tracks/${id}`, read.readTrack, { signal });

  /** Null when there is none (any more). */
  async trackIfThere(id: string, signal: AbortSignal): Promise<read.Track | null> {
    try {
      return await this.track(id, signal);
    } catch (error) {
      if (failureOf(error).status === 404) return null;
      throw error;
    }
  }

  media = (id: string): Promise<read.Media> => this.#http.ask(`/api/v1/tracks/${id}/media`, read.readMedia);

  async deleteTrack(id: string, signal: AbortSignal): Promise<void> {
    await this.#http.send(`/api/v1/tracks/${id}`, { method: 'DELETE', signal });
  }

  /** The file as it was uploaded. */
  async original(id: string, signal: AbortSignal): Promise<Blob> {
    const response = await this.#http.send(`/api/v1/tracks/${id}/download`, { headers: { accept: '*/*' }, signal });
    return response.blob();
  }

  async played(id: string, ms: number): Promise<void> {
    const json = { id: crypto.randomUUID(), ms };
    await this.#http.send(`/api/v1/tracks/${id}/plays`, { method: 'POST', json, keepalive: true });
  }

  history = (signal: AbortSignal): Promise<readonly read.HistoryEntry[]> =>
    this.#http.ask('/api/v1/me/history', read.readHistory, { signal });

  declareTrack = (declaration: TrackDeclaration, signal: AbortSignal): Promise<read.UploadStart> =>
    this.#http.ask('/api/v1/tracks', read.readUploadStart, { method: 'POST', json: declaration, signal });

  /** Where the bytes of a track go. */
  uploadTarget(id: string): UploadTarget {
    const path = `/api/v1/tracks/${id}/upload`;
    return {
      offset: async (signal) => offsetOf(await this.#http.send(path, { method: 'HEAD', signal })),
      append: async (offset, chunk, signal) => {
        const headers = { 'upload-offset': String(offset), 'content-type': 'application/octet-stream' };
        const call = { method: 'PATCH', headers, body: chunk, signal } as const;
        return offsetOf(await this.#http.send(path, call, [409]));
      },
    };
  }

  /** All of one's own. */
  async playlists(signal: AbortSignal): Promise<readonly read.PlaylistEntry[]> {
    const all: read.PlaylistEntry[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query = new URLSearchParams({ limit: '100', ...(cursor === '' ? {} : { cursor }) });
      const page: read.PlaylistPage = await this.#http.ask(
        `/api/v1/me/playlists?${query.toString()}`,
        read.readPlaylists,
        { signal },
      );
      all.push(...page.items);
      cursor = page.next ?? null;
    }
    return all;
  }

  async playlist(id: string, signal: AbortSignal): Promise<Versioned<read.Playlist>> {
    return versioned(await this.#http.send(`/api/v1/playlists/${id}`, { signal }), read.readPlaylist);
  }

  async createPlaylist(name: string, signal: AbortSignal): Promise<Versioned<read.PlaylistEntry>> {
    const json = { id: crypto.randomUUID(), name, visibility: 'private' };
    const answer = await this.#http.send('/api/v1/playlists', { method: 'POST', json, signal });
    return versioned(answer, read.readPlaylistEntry);
  }

  async savePlaylist(
    id: string,
    etag: string,
    json: { readonly name: string; readonly visibility: string },
    signal: AbortSignal,
  ): Promise<Versioned<read.PlaylistEntry>> {
    const call = { method: 'PUT', json, headers: { 'if-match': etag }, signal } as const;
    return versioned(await this.#http.send(`/api/v1/playlists/${id}`, call), read.readPlaylistEntry);
  }

  async setTracks(
    id: string,
    etag: string,
    trackIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Versioned<read.PlaylistEntry>> {
    const call = { method: 'PUT', json: { trackIds }, headers: { 'if-match': etag }, signal } as const;
    return versioned(await this.#http.send(`/api/v1/playlists/${id}/tracks`, call), read.readPlaylistEntry);
  }

  async deletePlaylist(id: string, etag: string, signal: AbortSignal): Promise<void> {
    await this.#http.send(`/api/v1/playlists/${id}`, { method: 'DELETE', headers: { 'if-match': etag }, signal });
  }

  profile = (signal: AbortSignal): Promise<read.Profile> =>
    this.#http.ask('/api/v1/me/profile', read.readProfile, { signal });

  saveProfile = (json: read.Profile, signal: AbortSignal): Promise<read.Profile> =>
    this.#http.ask('/api/v1/me/profile', read.readProfile, { method: 'PUT', json, signal });

  async rooms(signal: AbortSignal): Promise<readonly read.Room[]> {
    const all: read.Room[] = [];
    for (let after: string | null = ''; after !== null;) {
      const query = new URLSearchParams({ limit: String(ROOM_PAGE), ...(after === '' ? {} : { after }) });
      const page: readonly read.Room[] = await this.#http.ask(`/chat/v1/rooms?${query.toString()}`, read.readRooms, {
        signal,
      });
      all.push(...page);
      after = page.length < ROOM_PAGE ? null : (page.at(-1)?.id ?? null);
    }
    return all;
  }

  createRoom = (name: string, signal: AbortSignal): Promise<read.Room> =>
    this.#http.ask('/chat/v1/rooms', read.readRoom, { method: 'POST', json: { name }, signal });

  messages(room: string, after: number, limit: number): Promise<readonly ChatMessage[]> {
    const query = new URLSearchParams({ after: String(after), limit: String(limit) });
    const path = `/chat/v1/rooms/${room}/messages?${query.toString()}`;
    return this.#http.ask(path, (body) => messages.parse(body).messages);
  }

  /** Everything that the platform knows of the person, as an archive. */
  async exportData(onProgress: (bytes: number) => void, signal: AbortSignal): Promise<Blob> {
    const headers = { accept: 'application/x-tar, application/problem+json' };
    const response = await this.#http.send('/api/v1/me/data-export', { method: 'POST', headers, signal });
    if (response.body === null) throw new Failure(response.status, 'unexpected-answer');
    let bytes = 0;
    const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        onProgress(bytes);
        controller.enqueue(chunk);
      },
    });
    const whole = new Response(response.body.pipeThrough(counting), {
      headers: { 'content-type': 'application/x-tar' },
    });
    // Broken off on its way: half an archive is none.
    return whole.blob().catch((error: unknown) => {
      throw isAbort(error) ? error : unreachable(error);
    });
  }

  eraseAccount = (password: string, signal: AbortSignal): Promise<{ readonly id: string; readonly state: string }> =>
    this.#http.ask('/api/v1/me', read.readErasure, { method: 'DELETE', json: { password }, signal });
}

function offsetOf(response: Response): number {
  const offset = Number(response.headers.get('upload-offset') ?? Number.NaN);
  if (!Number.isSafeInteger(offset) || offset < 0) throw new Failure(response.status, 'unexpected-answer');
  return offset;
}

async function versioned<T>(response: Response, read: (body: unknown) => T): Promise<Versioned<T>> {
  const etag = response.headers.get('etag');
  if (etag === null) throw new Failure(response.status, 'unexpected-answer');
  try {
    return { value: read(await response.json()), etag };
  } catch (error) {
    throw new Failure(response.status, 'unexpected-answer', { cause: error });
  }
}
