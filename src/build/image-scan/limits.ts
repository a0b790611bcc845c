/** How much an image may ask of whoever scans it. What goes beyond is refused, not left out. */
export interface ScanLimits {
  /** Of all layers, and of all archives in them. */
  readonly mostEntries: number;
  /** Bytes of all layers, unpacked. */
  readonly mostBytes: number;
  /** Bytes that archives within the image may unpack to, together. */
  readonly mostNestedBytes: number;
  /** A ZIP is read from its end, so it is held in memory. */
  readonly mostZipBytes: number;
  /** Archives in archives. */
  readonly mostDepth: number;
  /** Things found in the content of files. */
  readonly mostClues: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_LIMITS: ScanLimits = {
  mostEntries: 500_000,
  mostBytes: 16 * 1024 * MiB,
  mostNestedBytes: 1024 * MiB,
  mostZipBytes: 64 * MiB,
  mostDepth: 4,
  mostClues: 5000,
};

/** What has been asked so far, over all layers. */
export class Spent {
  entries = 0;
  bytes = 0;
  nestedBytes = 0;
  clues = 0;
}
