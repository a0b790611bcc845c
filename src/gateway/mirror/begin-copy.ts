import type { ClientRequest } from '../client-request.ts';
import { instanceHead } from '../outgoing.ts';
import type { Chosen } from '../pick-arm.ts';
import type { RequestHead } from '../request-head.ts';
import type { RoutedRequest } from '../routed-request.ts';
import { overridesMethod } from './method-override.ts';
import type { Pair } from './pair.ts';

/** What the candidate sees of a copy besides what it sees of a request. */
const mark = 'x-veza-mirror: 1\r\n';

/**
 * Sends a copy of a request to the candidate, if the service is mirrored, the request can be copied and its turn has come. Called
 * when the request itself is on its way to stable.
 *
 * @returns who wants to know what stable answers; null when nothing was copied
 */
export function beginCopy(routed: RoutedRequest, { choice }: Chosen): Pair | null {
  const { service, request, head, path } = routed;
  const { mirror } = service;
  if (mirror === null || choice.arm !== 'stable' || !isCopyable(request, head) || !mirror.chooses()) return null;
  return mirror.send(request.method, path, instanceHead(routed, { ...choice, travels: 'candidate' }, mark));
}

/**
 * Whether a request may be asked of the candidate, too: it asks for something, changes nothing (RFC 9110, 9.2.1), and its answer
 * can be compared. So GET and HEAD without a body, and nothing that makes another method of them; no upgrade, no event stream, no
 * part of a body, no smoke test, no copy.
 */
export function isCopyable(request: ClientRequest, head: RequestHead): boolean {
  const { method, body, upgrade, names, target } = request;
  if (method !== 'GET' && method !== 'HEAD') return false;
  if (body.kind !== 'none' && !(body.kind === 'length' && body.bytes === 0)) return false;
  if (upgrade !== null || head.acceptsEventStream || head.preview || head.copy) return false;
  return !names.includes('range') && !names.includes('upgrade') && !overridesMethod(names, target);
}
