import { execFile } from 'node:child_process';

export interface ProgramResult {
  /** Null when the program does not exist or could not be started. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, without a shell. Never rejects for what the program does. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly signal: AbortSignal },
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { ...options, timeout: 30_000, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (options.signal.aborted) {
        reject(options.signal.reason as Error);
        return;
      }
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ status, stdout, stderr });
    });
  });
}
