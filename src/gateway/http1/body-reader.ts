import type { BodyLength } from '../client-request.ts';
import { ChunkedDecoder } from './chunked.ts';

/** Who hears of the pieces of a body. */
export interface PieceReceiver {
  piece(bytes: Buffer): void;
}

/** Reads the body of one message after the other, each to its exact end. */
export class BodyReader {
  done = true;
  fault: string | null = null;
  trailers: readonly string[] = none;
  #left = 0;
  #decoder: ChunkedDecoder | null = null;

  start(length: BodyLength): void {
    this.fault = null;
    this.trailers = none;
    this.#decoder = null;
    this.#left = 0;
    switch (length.kind) {
      case 'none':
        this.done = true;
        return;
      case 'length':
        this.#left = length.bytes;
        this.done = length.bytes === 0;
        return;
      case 'open':
        this.#decoder = new ChunkedDecoder();
        this.done = false;
    }
  }

  /** @returns the offset behind the last byte that was used */
  read(bytes: Buffer, from: number, to: number, receiver: PieceReceiver): number {
    const decoder = this.#decoder;
    if (decoder === null) {
      const end = Math.min(to, from + this.#left);
      this.#left -= end - from;
      // Before the piece is passed on: its receiver may want to know.
      this.done = this.#left === 0;
      if (end > from) receiver.piece(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end));
      return end;
    }
    const end = decoder.decode(bytes, from, to, (piece) => receiver.piece(piece));
    this.fault = decoder.fault;
    if (decoder.done && decoder.fault === null) {
      this.done = true;
      this.trailers = decoder.trailers;
      this.#decoder = null;
    }
    return end;
  }
}

const none: readonly string[] = [];
