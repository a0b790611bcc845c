/** As identity has it. */
export const MIN_PASSWORD = 8;

/** Something on both sides of one `@`: whether it is an address, only a letter sent there can tell. */
export function looksLikeEmail(text: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(text.trim());
}

/** Where to go after logging in: a path of this app, never another site. */
export function nextOf(query: URLSearchParams): string {
  const next = query.get('next') ?? '/';
  return /^\/(?![/\\])/.test(next) ? next : '/';
}
