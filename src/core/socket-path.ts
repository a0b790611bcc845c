/**
 * `sockaddr_un.sun_path` holds 108 bytes on Linux and 104 on macOS, the closing zero included (unix(7)). The smaller one
 * counts everywhere, so that a state folder can be looked at from both.
 */
const LONGEST = 103;

export interface SocketPlace {
  /** Where the socket belongs when its path is short enough; absolute. */
  readonly stateDir: string;
  /** File name, without folders: `control.sock`. */
  readonly name: string;
  /** Folder for short paths, private to the user: `$XDG_RUNTIME_DIR`, or one under the folder for temporary files. */
  readonly runtimeDir: string;
  /** Hexadecimal digest of a text, at least 16 digits. */
  readonly hash: (text: string) => string;
}

/**
 * Path of a Unix socket of a state folder: inside it, or, where that is too long for a socket address, a hashed one under
 * the runtime folder. The same state folder always leads to the same path.
 */
export function socketPath({ stateDir, name, runtimeDir, hash }: SocketPlace): string {
  const natural = `${stateDir}/${name}`;
  if (byteLength(natural) <= LONGEST) return natural;
  return `${runtimeDir}/veza-${hash(stateDir).slice(0, 16)}/${name}`;
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;
