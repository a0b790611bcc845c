import { ImageUnreadableError } from '../../errors.ts';
import { TooMuch } from './content.ts';
import { TarRefused } from './tar.ts';

/** What reading a layer ended with, as the failure that a person sees; anything unexpected stays what it is. */
export function asUnreadable(error: unknown, image: string, where: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof TarRefused || error instanceof TooMuch)
    return new ImageUnreadableError(image, where, error.message);
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
    return new ImageUnreadableError(image, where, 'is not there');
  return error;
}
