/** The variables by which a service finds the resource: `DATABASE_URL`, and one of its own name when there are several. */
export function connectionEnvironment(name: string, url: string): Record<string, string> {
  return { DATABASE_URL: url, [`${name.toUpperCase().replaceAll('-', '_')}_URL`]: url };
}
