/**
 * Every page of the app. The server answers these paths, and no other, with index.html; the app's router reads the same
 * list, so that a link which works in the page works when it is opened in a new tab.
 */
export const PATHS = {
  discover: '/',
  login: '/login',
  register: '/register',
  search: '/search',
  track: '/track/:id',
  upload: '/upload',
  playlists: '/playlists',
  playlist: '/playlists/:id',
  chat: '/chat',
  room: '/chat/:room',
  me: '/me',
} as const;

export type PageName = keyof typeof PATHS;

export interface Place {
  readonly page: PageName;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Finds the page of a path.
 *
 * @param pathname without query, as in `location.pathname`; one slash at the end is forgiven
 * @returns null when no page has this path, or when it is badly percent-encoded
 */
export function placeOf(pathname: string): Place | null {
  const plain = pathname.replace(/(?<=[^/])\/$/, '');
  for (const [page, pattern] of Object.entries(PATHS)) {
    const parameters = matched(pattern, plain);
    if (parameters !== null) return { page: page as PageName, parameters };
  }
  return null;
}

/** Writes the path of a page, its parameters percent-encoded. */
export function pathTo(page: PageName, parameters: Readonly<Record<string, string>> = {}): string {
  return PATHS[page].replaceAll(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
}

function matched(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const found = path.split('/');
  if (wanted.length !== found.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = found[index] ?? '';
    if (!part.startsWith(':')) {
      if (part !== value) return null;
      continue;
    }
    const decoded = decode(value);
    if (decoded === null || decoded === '') return null;
    parameters[part.slice(1)] = decoded;
  }
  return parameters;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
