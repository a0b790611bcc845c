import { PassThrough, pipeline, type Readable } from 'node:stream';
import { ObjectCorrupt } from '../errors.ts';

/**
 * The body of an answer, which fails in storage's words when it breaks off or is shorter than it should be. Destroying it
 * ends the connection.
 */
export function checkedBody(body: Readable, bytes: number, signal: AbortSignal): Readable {
  let seen = 0;
  const out = new PassThrough({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      done(seen === bytes ? null : new ObjectCorrupt(`the S3 server sent ${seen} of ${bytes} bytes`));
    },
  });
  body.once('error', (error) => {
    out.destroy(
      signal.aborted ? (signal.reason as Error) : new ObjectCorrupt('the S3 server broke off in an object', error),
    );
  });
  pipeline(body, out, () => {
    // Both have been destroyed; who reads sees the error on `out`.
  });
  return out;
}
