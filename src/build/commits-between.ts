import { realpath } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { askGit, literalPath } from './git.ts';

export interface CommitLine {
  readonly commit: string;
  /** First line of its message. */
  readonly subject: string;
  /** UTC milliseconds. */
  readonly at: number;
}

export interface CommitsBetween {
  /** Newest first; at most 50. */
  readonly added: readonly CommitLine[];
  /** In the first and not in the second: somebody went back, or changed branches. */
  readonly removed: readonly CommitLine[];
}

const MOST_COMMITS = 50;

/**
 * The commits that touch a service's source, or the declaration, between two commits.
 *
 * @param projectDir folder of `veza.config.ts`
 * @param folder the service's source, relative to it
 * @returns null when the project is in no repository, or the repository does not have both commits (any more)
 * @throws GitMissingError
 */
export const commitsBetween = async (
  request: { readonly projectDir: string; readonly folder: string; readonly from: string; readonly to: string },
  signal: AbortSignal,
): Promise<CommitsBetween | null> => {
  const { from, to } = request;
  // A name that could be an option, or a branch that moves, is no commit.
  if (![from, to].every((commit) => /^[0-9a-f]{40,64}$/.test(commit))) return null;
  const projectDir = await realpath(request.projectDir);
  const top = await askGit(projectDir, ['rev-parse', '--show-toplevel'], signal);
  if (top.status !== 0) return null;
  const repository = await realpath(top.stdout.toString().replace(/\r?\n$/, ''));
  const inside = (path: string): string => {
    const found = posix.normalize(relative(repository, join(projectDir, path)).split(sep).join('/'));
    return found === '.' ? '' : found;
  };
  const paths = [inside(request.folder), inside('veza.config.ts')].map(literalPath);
  const list = async (range: string): Promise<readonly CommitLine[] | null> => {
    const format = ['--format=%H%x00%ct%x00%s', '--encoding=UTF-8', `--max-count=${MOST_COMMITS}`];
    const answer = await askGit(repository, ['log', ...format, range, '--', ...paths], signal);
    return answer.status === 0 ? linesOf(answer.stdout.toString()) : null;
  };
  const added = await list(`${from}..${to}`);
  const removed = await list(`${to}..${from}`);
  return added === null || removed === null ? null : { added, removed };
};

const linesOf = (text: string): readonly CommitLine[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [commit = '', seconds = '', subject = ''] = line.split('\0');
      return { commit, subject, at: Number(seconds) * 1_000 };
    });
