/**
 * Follows the frames of one direction of a WebSocket (RFC 6455, 5.2) without keeping their content, so that a Close can
 * be put between two frames, however the bytes are cut into chunks.
 */
export class FrameScanner {
  /** Bytes of payload of the current frame that are still to come. */
  #payloadLeft = 0;
  // Numbers, not a buffer: there may be very many of these.
  /** Bytes of the current frame's head so far; at most 14. */
  #headLength = 0;
  #first = 0;
  /** How many of the head's bytes come before the mask. */
  #lengthEnd = 2;
  #headNeeded = 2;
  #inPayload = false;
  #inMessage = false;
  #closeSeen = false;

  /** Nothing of an unfinished frame has passed. */
  get atFrameBoundary(): boolean {
    return !this.#inPayload && this.#headLength === 0;
  }

  /** At a frame boundary, and no fragmented message is unfinished. */
  get atMessageBoundary(): boolean {
    return this.atFrameBoundary && !this.#inMessage;
  }

  /** A whole Close frame has passed. */
  get closeSeen(): boolean {
    return this.#closeSeen;
  }

  /**
   * Follows the chunk from `from` to the next frame boundary or to its end.
   *
   * @returns the index behind the last byte that was followed
   */
  scan(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#inPayload) {
        const take = Math.min(this.#payloadLeft, chunk.length - at);
        at += take;
        this.#payloadLeft -= take;
        if (this.#payloadLeft === 0) {
          this.#endFrame();
          return at;
        }
        continue;
      }
      this.#followHead(chunk[at] ?? 0);
      at += 1;
      if (this.#headLength >= this.#headNeeded) {
        this.#inPayload = true;
        if (this.#payloadLeft === 0) {
          this.#endFrame();
          return at;
        }
      }
    }
    return at;
  }

  #followHead(byte: number): void {
    if (this.#headLength === 0) {
      this.#first = byte;
    } else if (this.#headLength === 1) {
      const length = byte & 0x7f;
      this.#lengthEnd = length === 126 ? 4 : length === 127 ? 10 : 2;
      this.#headNeeded = this.#lengthEnd + ((byte & 0x80) === 0 ? 0 : 4);
      this.#payloadLeft = length < 126 ? length : 0;
    } else if (this.#headLength < this.#lengthEnd) {
      this.#payloadLeft = this.#payloadLeft * 256 + byte;
    }
    this.#headLength += 1;
  }

  #endFrame(): void {
    const opcode = this.#first & 0x0f;
    const final = (this.#first & 0x80) !== 0;
    if (opcode === 0x8) this.#closeSeen = true;
    // Control frames (0x8 and above) may stand between the fragments of a message and change nothing about it.
    if (opcode < 0x8) this.#inMessage = !final;
    this.#inPayload = false;
    this.#headLength = 0;
    this.#headNeeded = 2;
  }
}

/**
 * A Close frame (RFC 6455, 5.5.1).
 *
 * @param code 1001 going away, 1012 service restart
 * @param reason at most 123 bytes of UTF-8
 * @param mask four random bytes for frames towards a server, null for frames towards a client
 */
export function closeFrame(code: number, reason: string, mask: Uint8Array | null): Buffer {
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
  if (payload.length > 125) throw new RangeError(`A Close frame holds at most 125 bytes, not ${payload.length}.`);
  if (mask === null) return Buffer.concat([Buffer.from([0x88, payload.length]), payload]);
  const masked = payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x88, 0x80 | payload.length]), mask.subarray(0, 4), masked]);
}
