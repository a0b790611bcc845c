// A link of ours is followed at most so often, as Linux does (MAXSYMLINKS, path_resolution(7)).
const maxFollowed = 40;

/**
 * Where a symbolic link of a tree ends, following the other links of the tree part by part as the kernel would. Looking
 * at the text of the target alone is not enough: `d/e -> ..` makes `d/e/../x` leave the tree though it looks inside.
 *
 * @param path the link's own path, relative to the tree
 * @param links all links of the tree, path to target
 * @returns the path it ends at (which need not exist), or null when it leaves the tree, is absolute, or goes in circles
 */
export const resolveInside = (path: string, links: ReadonlyMap<string, string>): string | null => {
  const at: string[] = [];
  const todo = path.split('/').toReversed();
  let followed = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.pop() === undefined) return null;
      continue;
    }
    const here = [...at, part].join('/');
    const target = links.get(here);
    if (target === undefined) {
      at.push(part);
      continue;
    }
    followed += 1;
    if (followed > maxFollowed || target === '' || target.startsWith('/')) return null;
    todo.push(...target.split('/').toReversed());
  }
  return at.join('/');
};
