const OWNER = 'com.apple.streaming.transportStreamTimestamp';
const CLOCK_HZ = 90_000;

/**
 * The tag that a segment of packed audio has to begin with (RFC 8216, section 3.4): the time of its first sample on a clock
 * of 90 kHz and 33 bits, in a PRIV frame of ID3 2.4.
 */
export function timestampTag(startSample: number, sampleRate: number): Buffer {
  const ticks = BigInt(Math.round((startSample * CLOCK_HZ) / sampleRate)) % 2n ** 33n;
  const owner = Buffer.from(`${OWNER}\0`, 'latin1');
  const frame = Buffer.alloc(10 + owner.length + 8);
  frame.write('PRIV', 'latin1');
  frame.writeUInt32BE(syncSafe(owner.length + 8), 4);
  owner.copy(frame, 10);
  frame.writeBigUInt64BE(ticks, 10 + owner.length);
  const header = Buffer.alloc(10);
  header.write('ID3\u0004\0\0', 'latin1');
  header.writeUInt32BE(syncSafe(frame.length), 6);
  return Buffer.concat([header, frame]);
}

/** Length with seven bits in each byte. */
function syncSafe(length: number): number {
  return ((length & 0x3f80) << 1) | (length & 0x7f);
}
