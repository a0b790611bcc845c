/** What a route claims: each of its hosts (null: every host) with each of its paths, once. Two that share one are in each other's way. */
export function claimsOf({ hosts, paths }: { readonly hosts: readonly string[]; readonly paths: readonly string[] }) {
  const claims = (hosts.length === 0 ? [null] : hosts).flatMap((host) =>
    paths.map((path) => `${host ?? 'every host'}, path ${path}`),
  );
  return [...new Set(claims)];
}
