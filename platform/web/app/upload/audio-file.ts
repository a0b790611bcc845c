/** As the API has it. */
export const MAX_TRACK_BYTES = 200 * 1024 * 1024;

export type AudioType = 'audio/wav' | 'audio/mpeg';

/**
 * What a file is, by how it begins, never by its name: RIFF with WAVE (Microsoft and IBM, "Multimedia Programming
 * Interface", 1991), an ID3v2 tag, or the sync word of an MPEG audio frame (ISO/IEC 11172-3, 2.4.2.3).
 *
 * @returns null for everything else
 */
export async function audioTypeOf(file: Blob): Promise<AudioType | null> {
  const bytes = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WAVE') return 'audio/wav';
  if (text.startsWith('ID3')) return 'audio/mpeg';
  const [first = 0, second = 0] = bytes;
  return first === 0xff && (second & 0xe6) === 0xe2 ? 'audio/mpeg' : null;
}

/** SHA-256 of a file in lower-case hexadecimal. The browser digests whole buffers only: MAX_TRACK_BYTES is what it costs. */
export async function sha256Of(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** How long it plays, as the browser sees it; null when it cannot say. */
export async function durationOf(file: Blob): Promise<number | null> {
  if ((await audioTypeOf(file)) !== 'audio/wav') return null;
  return wavDurationMs(new DataView(await file.slice(0, 64 * 1024).arrayBuffer()), file.size);
}

/** Length of a WAV file from its chunks: bytes of `data` by the byte rate of `fmt `. */
export function wavDurationMs(head: DataView, size: number): number | null {
  let byteRate = 0;
  for (let at = 12; at + 8 <= head.byteLength;) {
    const name = String.fromCharCode(...Array.from({ length: 4 }, (_, index) => head.getUint8(at + index)));
    const length = head.getUint32(at + 4, true);
    if (name === 'fmt ' && at + 20 <= head.byteLength) byteRate = head.getUint32(at + 16, true);
    if (name === 'data') {
      const ms = byteRate === 0 ? 0 : Math.round((Math.min(length, size - at - 8) / byteRate) * 1000);
      return ms > 0 ? ms : null;
    }
    at += 8 + length + (length % 2);
  }
  return null;
}
