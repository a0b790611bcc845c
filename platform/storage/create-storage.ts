import { fileURLToPath } from 'node:url';
import { FileStorage } from './files/file-storage.ts';
import type { ObjectStorage } from './object-storage.ts';
import { parseS3Url, type S3Location } from './s3/s3-url.ts';
import { S3Storage } from './s3/s3-storage.ts';

/**
 * The storage that STORAGE_URL names. Asks nothing of it yet.
 *
 * @param url `file:///var/lib/…`, or `s3://KEY:SECRET@host:port/bucket?region=…&tls=0` with key and secret percent-encoded;
 *   region is us-east-1 and tls is on unless told
 * @throws TypeError when it is neither, without repeating it: it holds a secret
 */
export function createStorage(url: string): ObjectStorage {
  const place = parseStorageUrl(url);
  return 'folder' in place ? new FileStorage(place.folder) : new S3Storage(place);
}

/** Whether {@link createStorage} would take it. */
export function isStorageUrl(url: string): boolean {
  try {
    return parseStorageUrl(url) !== null;
  } catch {
    return false;
  }
}

function parseStorageUrl(url: string): { readonly folder: string } | S3Location {
  const parsed = URL.parse(url);
  if (parsed?.protocol === 'file:' && parsed.hostname === '') return { folder: fileURLToPath(parsed) };
  if (parsed?.protocol === 's3:') return parseS3Url(parsed);
  throw new TypeError('the URL of a storage is file:///folder or s3://KEY:SECRET@host:port/bucket');
}
