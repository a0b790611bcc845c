// Forms of values in `veza.config.ts`, as an editor checks them.

/** A length of time with its unit: "500ms", "30s", "5m", "1h30m". */
export type Duration =
  | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
  | `${number}m${number}s`
  | `${number}h${number}m`
  | `${number}d${number}h`
  | `${number}h${number}m${number}s`;

/** A size with its unit: "256MB" counts in thousands, "256MiB" in 1024s. */
export type Size = `${number}${'B' | 'kB' | 'KB' | 'MB' | 'GB' | 'TB' | 'KiB' | 'MiB' | 'GiB' | 'TiB'}`;

/** A percentage: 5 or "5%". */
export type Percentage = number | `${number}%`;

/** An address of the web. */
export type WebUrl = `http://${string}` | `https://${string}`;

/** A path that starts with a slash. */
export type UrlPath = `/${string}`;

/** A program and its arguments. A text is split at blanks and quotes, and no shell runs it. */
export type CommandLine = string | readonly [program: string, ...args: string[]];
