export interface Frame {
  readonly stream: 'stdout' | 'stderr';
  readonly payload: Buffer;
}

const HEAD_BYTES = 8;

/**
 * Takes apart what containers without a terminal write: frames with a head of eight bytes, the first of which says the
 * stream and the last four the length.
 *
 * @see https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export async function* frames(chunks: AsyncIterable<Buffer>): AsyncIterable<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.byteLength < HEAD_BYTES) break;
      const length = rest.readUInt32BE(4);
      if (rest.byteLength < HEAD_BYTES + length) break;
      yield {
        stream: rest[0] === 2 ? 'stderr' : 'stdout',
        payload: rest.subarray(HEAD_BYTES, HEAD_BYTES + length),
      };
      rest = rest.subarray(HEAD_BYTES + length);
    }
  }
}
