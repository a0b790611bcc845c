/** What object storage can refuse or fail at; one class each. */
export abstract class StorageError extends Error {
  abstract readonly code: string;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
  }
}

/** The store does not answer, or not as it should. Trying again later can help. */
export class StorageUnavailable extends StorageError {
  readonly code = 'storage-unavailable';
}

/** No room is left. What was being written has been removed again. */
export class StorageFull extends StorageError {
  readonly code = 'storage-full';
}

export class InvalidKey extends StorageError {
  readonly code = 'invalid-key';

  constructor() {
    // The key itself may be anything that somebody sent: it stays out of logs.
    super('not a key of an object: lower-case letters, digits and . _ - with / between, at most 512 characters');
  }
}

/** What is stored is not what was stored once: cut off, overwritten, a flipped bit. */
export class ObjectCorrupt extends StorageError {
  readonly code = 'object-corrupt';
}

/** The object under the key is not the version that was asked for. */
export class ObjectChanged extends StorageError {
  readonly code = 'object-changed';

  constructor() {
    super('the object has been replaced since its etag was read');
  }
}

export class LengthMismatch extends StorageError {
  readonly code = 'length-mismatch';

  readonly expected: number;
  readonly actual: number;

  constructor(expected: number, actual: number) {
    super(`the body has ${actual} bytes, and ${expected} were promised`);
    this.expected = expected;
    this.actual = actual;
  }
}

export class ChecksumMismatch extends StorageError {
  readonly code = 'checksum-mismatch';

  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`the content has the SHA-256 ${actual}, and ${expected} was promised`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** A piece of an upload is not where the upload goes on. */
export class OffsetConflict extends StorageError {
  readonly code = 'offset-conflict';

  /** Bytes that have arrived: where to go on. */
  readonly offset: number;

  constructor(offset: number) {
    super(`the upload goes on at byte ${offset}`);
    this.offset = offset;
  }
}

export class NoUpload extends StorageError {
  readonly code = 'no-upload';

  constructor() {
    super('no upload to this key has begun');
  }
}

/** The upload has, or would have, more bytes or more pieces than it may have. */
export class TooLong extends StorageError {
  readonly code = 'too-long';
}
