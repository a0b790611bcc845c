/** What becomes of a field of an instance's answer. */
export type AnswerKind =
  /** Goes on as it is. */
  | 'plain'
  /** For one connection only (RFC 9110, 7.6.1), or what the gateway says itself. */
  | 'dropped'
  /** Dropped too, and looked at. */
  | 'keep-alive'
  /** Go on, and are looked at. */
  | 'content-type'
  | 'content-encoding'
  | 'date';

const kinds: ReadonlyMap<string, AnswerKind> = new Map<string, AnswerKind>([
  ['connection', 'dropped'],
  ['proxy-connection', 'dropped'],
  ['te', 'dropped'],
  ['transfer-encoding', 'dropped'],
  ['content-length', 'dropped'],
  ['upgrade', 'dropped'],
  ['proxy-authenticate', 'dropped'],
  ['proxy-authorization', 'dropped'],
  ['x-request-id', 'dropped'],
  ['x-veza-release', 'dropped'],
  ['x-veza-error', 'dropped'],
  ['keep-alive', 'keep-alive'],
  ['content-type', 'content-type'],
  ['content-encoding', 'content-encoding'],
  ['date', 'date'],
]);

/** @param name in lower case */
export const answerKindOf = (name: string): AnswerKind => kinds.get(name) ?? 'plain';
