import type { Platform } from '../core/spec/platform.ts';
import { ConfigInvalidError } from '../errors.ts';
import { findConfig } from './find-config.ts';
import { formatMistakes, validateConfig, type LocatedMistake } from './validate.ts';

export interface LoadOptions {
  /** Folder to look in, then above it. */
  readonly from: string;
  /** File or folder to use instead of looking. */
  readonly named?: string;
  readonly signal: AbortSignal;
}

export interface LoadedConfig {
  /** Absolute path of the configuration. */
  readonly file: string;
  /** Folder of the configuration: sources are relative to it. */
  readonly directory: string;
  readonly platform: Platform;
  readonly warnings: readonly LocatedMistake[];
}

/**
 * Finds, runs and checks `veza.config.ts`. Every call sees the files as they are now, imported ones included.
 *
 * @throws ProjectNotFoundError, ConfigUnreadableError, ConfigSyntaxError, ConfigFailedError, ConfigExportError;
 *   ConfigInvalidError with every mistake in it
 */
export async function loadConfig({ from, named, signal }: LoadOptions): Promise<LoadedConfig> {
  const file = await findConfig(from, named);
  const { directory, platform, mistakes, warnings } = await validateConfig(file, { signal });
  if (platform === null) throw new ConfigInvalidError(file, mistakes, formatMistakes(mistakes, file));
  return { file, directory, platform, warnings };
}
