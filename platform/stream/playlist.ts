import type { Timeline } from './mp3/timeline.ts';

/**
 * The playlist of a whole recording (RFC 8216, section 4.3): all segments with their durations, to the microsecond.
 *
 * @param segmentUri of the segment with that number
 */
export function writePlaylist({ sampleRate, segments }: Timeline, segmentUri: (index: number) => string): string {
  const durations = segments.map(({ samples }) => samples / sampleRate);
  const lines = [
    '#EXTM3U',
    // Fractions of a second came with version 3.
    '#EXT-X-VERSION:3',
    // A duration, rounded, must not be over the target.
    `#EXT-X-TARGETDURATION:${Math.max(1, ...durations.map((seconds) => Math.round(seconds)))}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    ...durations.flatMap((seconds, index) => [`#EXTINF:${seconds.toFixed(6)},`, segmentUri(index)]),
    '#EXT-X-ENDLIST',
  ];
  return `${lines.join('\n')}\n`;
}
