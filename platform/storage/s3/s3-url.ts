/** Where a bucket is, and how to get in. Holds credentials: never logged. */
export interface S3Location {
  /** `https://host:port`. */
  readonly origin: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * Reads `s3://KEY:SECRET@host:port/bucket?region=…&tls=0`.
 *
 * @throws TypeError saying what is missing, never what was given
 */
export function parseS3Url(url: URL): S3Location {
  const accessKeyId = decodeURIComponent(url.username);
  const secretAccessKey = decodeURIComponent(url.password);
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
  const bucket = /^\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/?$/.exec(url.pathname)?.[1];
  const region = url.searchParams.get('region') ?? 'us-east-1';
  const tls = url.searchParams.get('tls') ?? '1';
  const missing = [
    url.host === '' && 'a host',
    accessKeyId === '' && 'an access key',
    secretAccessKey === '' && 'a secret key',
    bucket === undefined && 'the name of a bucket as its path',
    !/^[a-z0-9-]+$/.test(region) && 'a region of lower-case letters, digits and -',
    tls !== '0' && tls !== '1' && 'tls=0 or tls=1',
  ].filter((problem) => problem !== false);
  if (missing.length > 0 || bucket === undefined) throw new TypeError(`the s3:// URL needs ${missing.join(', ')}`);
  return { origin: `${tls === '1' ? 'https' : 'http'}://${url.host}`, bucket, region, accessKeyId, secretAccessKey };
}
