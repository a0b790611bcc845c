/**
 * The variables by which a service finds a resource: the one of its kind, and one of its own name for services with several.
 *
 * @param variable of the kind: `REDIS_URL`
 * @param name of the resource: `job-queue` becomes `JOB_QUEUE_URL`
 */
export function urlEnvironment(variable: string, name: string, url: string): Record<string, string> {
  return { [variable]: url, [`${name.toUpperCase().replaceAll('-', '_')}_URL`]: url };
}
