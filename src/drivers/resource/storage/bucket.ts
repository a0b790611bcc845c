import { AwsV4Signer } from 'aws4fetch';
import { request } from 'undici';

/**
 * Why objects cannot be kept in a bucket now; null when they can. Asked with HeadBucket, signed, so that an address, a bucket,
 * a key or a clock that is wrong is found out before a release is.
 *
 * @param url `s3://KEY:SECRET@host:port/bucket?region=…&tls=0`; the words returned hold nothing of key and secret
 * @throws the signal's reason when aborted, unless it was a timeout
 */
export async function whyBucketUnusable(url: URL, signal: AbortSignal): Promise<string | null> {
  const bucket = /^\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/?$/.exec(url.pathname)?.[1];
  if (bucket === undefined || url.host === '' || url.username === '' || url.password === '') {
    return 'its address lacks a host, a bucket, a key or a secret';
  }
  const scheme = url.searchParams.get('tls') === '0' ? 'http' : 'https';
  const signer = new AwsV4Signer({
    method: 'HEAD',
    url: `${scheme}://${url.host}/${bucket}`,
    accessKeyId: decodeURIComponent(url.username),
    secretAccessKey: decodeURIComponent(url.password),
    service: 's3',
    region: url.searchParams.get('region') ?? 'us-east-1',
  });
  const signed = await signer.sign();
  try {
    const { statusCode, body } = await request(signed.url, {
      method: 'HEAD',
      headers: Object.fromEntries(signed.headers),
      signal,
      headersTimeout: 5_000,
    });
    await body.dump();
    if (statusCode < 300) return null;
    return ANSWERS[statusCode] ?? `the S3 server answers ${statusCode}`;
  } catch (error) {
    if (signal.aborted && !isTimeout(signal.reason)) throw signal.reason;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer in time';
    return `the S3 server cannot be reached (${code})`;
  }
}

const ANSWERS: Readonly<Record<number, string>> = {
  301: 'the bucket is in another region',
  400: 'the S3 server refuses the request: is the region right?',
  403: 'the S3 server does not let the key in',
  404: 'there is no such bucket',
};

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError';
}
