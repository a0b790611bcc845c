// What a reader has found out about an image, as plain data: everything that is decided about images is decided from this.

/** One entry of one layer, as it stands in the layer's tar. */
export interface ImageEntry {
  /** 0 is the lowest layer. */
  readonly layer: number;
  /** Without a leading `/` or `./`; for a whiteout the path that it hides. */
  readonly path: string;
  readonly kind: EntryKind;
  /** Of the content, in bytes. */
  readonly size: number;
  /** Permission bits with setuid, setgid and sticky: `0o7777` at most. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Where a link points to; null when it is none. */
  readonly target: string | null;
  /** It has file capabilities (capabilities(7)), which give what setuid gives. */
  readonly capable: boolean;
}

/** `whiteout` hides the path in the layers below, `opaque` all that a folder has there (OCI image spec, layer.md). */
export type EntryKind = 'file' | 'folder' | 'symlink' | 'hardlink' | 'device' | 'pipe' | 'whiteout' | 'opaque';

/** What of an OCI image configuration is looked at (OCI image spec, config.md). */
export interface ImageConfig {
  readonly user: string;
  readonly env: readonly string[];
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** What was run to make each layer, comments and author included. */
  readonly history: readonly string[];
}

/** Something in the content of a file (or of a file in an archive in it) that a rule wants to know of. Never holds what was found. */
export interface Clue {
  readonly kind: 'secret' | 'learning';
  /** `warn` when it may well be harmless. */
  readonly severity: 'refuse' | 'warn';
  readonly layer: number;
  /** With `!` between an archive and the path in it. */
  readonly path: string;
  /** In words: `a private key (RSA)`. */
  readonly what: string;
  /** Counted from 1; null when the file is not text. */
  readonly line: number | null;
}

/** A package in the image: named by the SBOM, or by the files that package managers leave. */
export interface Component {
  /** As OSV calls it: `npm`, `PyPI`, `crates.io`, `Go`, `Debian`, `Alpine` …; `unknown` otherwise. */
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string | null;
  /** SPDX expression, or what stands in its place; null when nothing does. */
  readonly licence: string | null;
  /** The file that says so, or `the SBOM`. */
  readonly where: string;
}

/** The image, or what it was built from, by the name that somebody wrote. */
export interface NamedReference {
  readonly what: 'image' | 'base';
  readonly name: string;
  /** What the name meant when it was used; null when that is not known. */
  readonly digest: string | null;
}

/** Something that could not be looked into. */
export interface Unread {
  readonly path: string;
  readonly layer: number | null;
  readonly why: string;
}

export interface ImageInspection {
  readonly config: ImageConfig;
  readonly layers: number;
  /** Of all layers, lowest first, each in the order of its tar. */
  readonly entries: readonly ImageEntry[];
  readonly clues: readonly Clue[];
  readonly components: readonly Component[];
  readonly references: readonly NamedReference[];
  readonly unread: readonly Unread[];
}
