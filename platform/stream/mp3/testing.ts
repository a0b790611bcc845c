import { parseFrameHeader } from './frame.ts';

/** A frame of 44.1 kHz stereo with nothing in it. `bitrate` is the index of a table: 9 are 128 kbit/s. */
export function frameOf(bitrate: number, fill = 0): Buffer {
  const header = Buffer.from([0xff, 0xfb, bitrate << 4, 0x00]);
  const bytes = parseFrameHeader(header, 0)?.bytes;
  if (bytes === undefined) throw new Error('no frame has such a bit rate');
  const frame = Buffer.alloc(bytes, fill);
  header.copy(frame);
  return frame;
}

/** The frame that encoders write first, with notes about the file instead of sound. */
export function infoFrame(): Buffer {
  const frame = frameOf(9);
  frame.write('Xing', 36);
  return frame;
}

/** A tag that looks like frames within. */
export function id3Tag(bytes: number): Buffer {
  const tag = Buffer.alloc(10 + bytes, 0xff);
  tag.write('ID3\u0004\0\0', 'latin1');
  for (const [index, shift] of [21, 14, 7, 0].entries()) tag[6 + index] = (bytes >> shift) & 0x7f;
  return tag;
}
