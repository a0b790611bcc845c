import { UpstreamError, words, type Request } from './chassis.ts';

/**
 * Calls another service at its internal address, on behalf of a request: its id and its arm travel along, so that within
 * a train a request that entered a candidate talks to candidates. Throws when there is no good answer; who failed, or that
 * the call was lost on the way, then reaches the user's client in the headers of the 502.
 */
export async function call(
  onBehalfOf: Request,
  service: string,
  base: string,
  path: string,
  body?: string,
): Promise<unknown> {
  const headers: Record<string, string> = {};
  for (const name of ['x-veza-arm', 'x-request-id']) {
    const value = onBehalfOf.incoming.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  let answer: globalThis.Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(10_000);
    answer = await fetch(new URL(path, base), {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      body: body ?? null,
      signal,
    });
    text = await answer.text();
  } catch (error) {
    throw new UpstreamError(`${service} could not be reached: ${words(error)}`, {
      'x-demo-lost': `call to ${service}: ${words(error)}`,
    });
  }
  if (answer.ok) return JSON.parse(text) as unknown;
  const lost = answer.headers.get('x-demo-lost') ?? answer.headers.get('x-veza-error');
  const failedBy =
    answer.headers.get('x-demo-failed-by') ??
    answer.headers.get('x-veza-release') ??
    answer.headers.get('x-demo-release') ??
    service;
  throw new UpstreamError(
    `${service} answered ${answer.status}: ${text.slice(0, 200)}`,
    lost === null ? { 'x-demo-failed-by': failedBy } : { 'x-demo-lost': `call to ${service}: ${lost}` },
  );
}
