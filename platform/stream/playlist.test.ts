import { expect, test } from 'vitest';
import { writePlaylist } from './playlist.ts';

test('a playlist has every segment with its duration, and ends', () => {
  const segment = { offset: 0, bytes: 1, startSample: 0 };
  const segments = [
    { ...segment, samples: 264_960 },
    { ...segment, samples: 100 },
  ];
  expect(writePlaylist({ sampleRate: 44_100, segments }, (index) => `${index}.mp3?sig=x`)).toBe(
    `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:6.008163,
0.mp3?sig=x
#EXTINF:0.002268,
1.mp3?sig=x
#EXT-X-ENDLIST
`,
  );
});
