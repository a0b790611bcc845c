import type { Brand } from './brand.ts';

/** A length of time in milliseconds. */
export type DurationMs = Brand<number, 'DurationMs'>;
/** A size in bytes. */
export type Bytes = Brand<number, 'Bytes'>;
/** A share of traffic, 0 to 100. */
export type Percent = Brand<number, 'Percent'>;
/** A TCP port, 1 to 65535. */
export type Port = Brand<number, 'Port'>;
/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = Brand<string, 'Digest'>;
/** A lower-case host name, or `*.` and a host name. */
export type HostPattern = Brand<string, 'HostPattern'>;
/** The name of a service, environment or resource: `[a-z][a-z0-9-]{0,30}`. */
export type Name = Brand<string, 'Name'>;
/** A program and its arguments, already split; never handed to a shell. */
export type Command = readonly [program: string, ...args: string[]];
