/**
 * What the services answer, as far as this app reads it. Checked when it arrives: an answer of another form is a failure that
 * is said, not a page that breaks somewhere else.
 */
import { array, int, nullable, nullish, number, object, string, type infer as Infer } from 'zod/mini';

const grantAnswer = object({ accessToken: string(), expiresIn: number(), person: object({ id: string() }) });
export const readGrant = (body: unknown): Infer<typeof grantAnswer> => grantAnswer.parse(body);

const account = object({ id: string(), email: string() });
export type Account = Infer<typeof account>;
export const readAccount = (body: unknown): Account => account.parse(body);

const track = object({
  id: string(),
  title: string(),
  artist: object({ id: string(), name: string() }),
  language: string(),
  genre: string(),
  durationMs: nullable(number()),
  bytes: int(),
  state: string(),
  publishedAt: nullable(string()),
});
export type Track = Infer<typeof track>;
export const readTrack = (body: unknown): Track => track.parse(body);

const because = object({ reason: string(), points: number() });
const suggestion = object({ track, score: number(), because: array(because) });
export type Suggestion = Infer<typeof suggestion>;
const discovered = object({ items: array(suggestion) });
export const readDiscovered = (body: unknown): readonly Suggestion[] => discovered.parse(body).items;

const trackPage = object({ items: array(track), next: nullish(string()) });
export type TrackPage = Infer<typeof trackPage>;
export const readTrackPage = (body: unknown): TrackPage => trackPage.parse(body);

const historyPage = object({
  items: array(object({ id: string(), track, ms: number(), at: string() })),
});
export type HistoryEntry = Infer<typeof historyPage>['items'][number];
export const readHistory = (body: unknown): readonly HistoryEntry[] => historyPage.parse(body).items;

const media = object({ url: string(), hls: nullable(string()), expiresAt: string() });
export type Media = Infer<typeof media>;
export const readMedia = (body: unknown): Media => media.parse(body);

const playlistEntry = object({ id: string(), name: string(), visibility: string(), owner: object({ id: string() }) });
export type PlaylistEntry = Infer<typeof playlistEntry>;
export const readPlaylistEntry = (body: unknown): PlaylistEntry => playlistEntry.parse(body);
const playlistEntries = object({ items: array(playlistEntry), next: nullish(string()) });
export type PlaylistPage = Infer<typeof playlistEntries>;
export const readPlaylists = (body: unknown): PlaylistPage => playlistEntries.parse(body);

const playlist = object({ ...playlistEntry.shape, tracks: array(track) });
export type Playlist = Infer<typeof playlist>;
export const readPlaylist = (body: unknown): Playlist => playlist.parse(body);

const profile = object({
  displayName: string(),
  bio: string(),
  language: string(),
  gender: nullable(string()),
});
export type Profile = Infer<typeof profile>;
export const readProfile = (body: unknown): Profile => profile.parse(body);

const room = object({ id: string(), name: string(), last: int() });
export type Room = Infer<typeof room>;
export const readRoom = (body: unknown): Room => room.parse(body);
const roomList = object({ rooms: array(room) });
export const readRooms = (body: unknown): readonly Room[] => roomList.parse(body).rooms;

const uploadStart = object({ id: string(), upload: object({ url: string(), offset: int() }) });
export type UploadStart = Infer<typeof uploadStart>;
export const readUploadStart = (body: unknown): UploadStart => uploadStart.parse(body);

const erasure = object({ erasure: object({ id: string(), state: string() }) });
export const readErasure = (body: unknown): { readonly id: string; readonly state: string } =>
  erasure.parse(body).erasure;
