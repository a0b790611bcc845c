import type { HostileCase } from './case.ts';
import type { CaseResult } from './judge.ts';

// Where HAProxy does otherwise than the gateway: what kind of difference it is, and what follows from it.

/** Problems that are about the words of a refusal only: nothing arrived, the connection is closed. */
const ofWords = /: (?:status \d+ instead|no refusal, or more)/;

/** Whether both did the same: the same requests arrived, and the client was told so in any words. */
export function sameDeed(ours: CaseResult, theirs: CaseResult): boolean {
  return ours.key === theirs.key && theirs.problems.every((problem) => ofWords.test(problem));
}

/**
 * The reason for a difference, judged by what HAProxy did; what a case says itself comes first.
 *
 * @returns null when nobody has judged it
 */
export function reasonOf(one: HostileCase, ours: CaseResult, theirs: CaseResult): string | null {
  if (one.haproxy !== undefined) return one.haproxy;
  const wanted = one.expect.kind;
  if (theirs.kind === 'malformed') {
    return 'It passes this on as it came: the instance has to be the one that refuses it. The gateway does.';
  }
  if ((wanted === 'refused' || wanted === 'broken-off' || wanted === 'declined') && theirs.kind === 'passed') {
    if (/lf|folded/.test(one.name)) {
      return 'It takes bare LF and folded lines and writes them anew: one meaning arrives, but a stricter hop before it would have seen another.';
    }
    if (one.name.startsWith('cl-') || one.name.startsWith('te-cl')) {
      return 'It keeps the chunks, drops the length and closes the connection behind the answer (RFC 9112, 6.3); the gateway refuses, as the same section allows.';
    }
    if (one.name.startsWith('version-')) return 'It answers any version of this form as HTTP/1.1.';
    if (one.name.startsWith('expect-'))
      return 'It leaves expectations to the instance; the gateway answers 417 to those that it does not know.';
    if (one.name.startsWith('chunk-')) {
      return 'It reads the chunks leniently and passes them on or writes them anew; the body that arrives is well-formed.';
    }
    return 'It reads this leniently and writes a well-formed request: nothing is smuggled, but another hop may read it otherwise.';
  }
  if (ours.kind === 'passed' && theirs.kind === 'passed') {
    if (theirs.problems.some((problem) => problem.includes('no answer to'))) {
      return 'It closes while the client is still sending, and the reset can take the answer with it (RFC 9112, 9.6); the gateway reads on for a while.';
    }
    return 'The same request arrives with other headers: without rules of its own it passes on what the gateway keeps or replaces.';
  }
  if (ours.kind === 'passed') return 'It refuses this; the gateway passes it on as the RFC reads it.';
  if (theirs.kind === 'held' || ours.kind === 'held')
    return 'One of the two waits for more where the other refuses; nothing arrives.';
  if (ours.kind !== theirs.kind)
    return 'It begins to pass on what the gateway refuses at once, or the other way round; nothing complete arrives.';
  if (ours.kind === 'refused' || ours.kind === 'broken-off')
    return 'Both refuse it; how much of it had begun to arrive by then is a matter of time.';
  return null;
}
