import { InvalidKey } from './errors.ts';

// Lower case only: a folder on macOS or Windows takes two cases for one. Nothing begins with a dot, so that no key can mean
// `..`, and what storage keeps for itself begins with one. `~` and `%` are not in it, for drivers to use.
const KEY = /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/;
const PREFIX = /^(?:[a-z0-9][a-z0-9._-]*\/)*$/;

/** @throws InvalidKey */
export function assertKey(key: string): void {
  if (!isKey(key)) throw new InvalidKey();
}

/** @throws InvalidKey when it is neither empty nor the start of a key up to a `/` */
export function assertPrefix(prefix: string): void {
  if (prefix.length > 512 || !PREFIX.test(prefix)) throw new InvalidKey();
}

/** Whether it is one. */
export function isKey(text: string): boolean {
  return text.length <= 512 && KEY.test(text) && text.split('/').every((part) => part.length <= 128);
}
