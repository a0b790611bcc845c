/** Head of a frame of MPEG audio, layer III. */
export interface FrameHeader {
  /** Length with its header. */
  readonly bytes: number;
  readonly samples: number;
  /** Samples a second. */
  readonly sampleRate: number;
  readonly mono: boolean;
  /** 1, 2, or 2.5. */
  readonly version: number;
}

// ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3; MPEG 2.5 is Fraunhofer's own addition. Kbit/s by index; 0 is "free", 15 forbidden.
const BITRATES_1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const BITRATES_2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const VERSIONS: Readonly<Record<number, number>> = { 0: 2.5, 2: 2, 3: 1 };
const SAMPLE_RATES = [44_100, 48_000, 32_000];

/** Bytes that a frame's head has. */
export const HEADER_BYTES = 4;

/** The frame that begins there; null when none does, or one of another layer or of "free" bit rate. */
export function parseFrameHeader(bytes: Uint8Array, at: number): FrameHeader | null {
  const [b0, b1, b2, b3] = bytes.subarray(at, at + HEADER_BYTES);
  if (b0 === undefined || b1 === undefined || b2 === undefined || b3 === undefined) return null;
  if (b0 !== 0xff || (b1 & 0xe0) !== 0xe0) return null;
  const version = VERSIONS[(b1 >> 3) & 3];
  const layerThree = ((b1 >> 1) & 3) === 1;
  const bitrate = (version === 1 ? BITRATES_1 : BITRATES_2)[b2 >> 4];
  const baseRate = SAMPLE_RATES[(b2 >> 2) & 3];
  const emphasis = b3 & 3;
  if (version === undefined || !layerThree || !bitrate || baseRate === undefined || emphasis === 2) return null;
  const sampleRate = baseRate / (version === 1 ? 1 : version === 2 ? 2 : 4);
  const samples = version === 1 ? 1_152 : 576;
  const padding = (b2 >> 1) & 1;
  return {
    bytes: Math.floor((samples / 8) * ((bitrate * 1_000) / sampleRate)) + padding,
    samples,
    sampleRate,
    mono: b3 >> 6 === 3,
    version,
  };
}

/**
 * Whether the frame carries no sound but the encoder's notes about the file (Xing, Info, VBRI).
 * http://gabriel.mp3-tech.org/mp3infotag.html
 */
export function isInfoFrame(frame: Uint8Array, { mono, version }: FrameHeader): boolean {
  const sideInfo = version === 1 ? (mono ? 17 : 32) : mono ? 9 : 17;
  const name = textAt(frame, HEADER_BYTES + sideInfo);
  return name === 'Xing' || name === 'Info' || textAt(frame, HEADER_BYTES + 32) === 'VBRI';
}

function textAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
