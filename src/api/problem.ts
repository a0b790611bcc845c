import { z } from 'zod';
import { ExitStatus, RemoteError, VezaError } from '../errors.ts';

const EXIT_STATUSES = new Set<number>(Object.values(ExitStatus));

/** A problem document (RFC 9457) with the members that a client needs to act as the CLI does. */
export const ProblemSchema = z
  .object({
    type: z.string().describe('`urn:veza:` and the code'),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string(),
    hint: z.string().nullable().describe('what to do next'),
    exitStatus: z.number().describe('exit status of a CLI that ends with it'),
    mistakes: z
      .array(z.object({ path: z.string(), message: z.string() }).readonly())
      .readonly()
      .default([]),
  })
  .readonly();
export type Problem = z.output<typeof ProblemSchema>;

export const PROBLEM_TYPE = 'application/problem+json';

/** Code of a failure that has no class: a defect of ours. The document does not carry its stack; the log does. */
export const INTERNAL = 'internal';

export function toProblem(error: unknown): Problem {
  if (error instanceof VezaError) {
    return {
      type: `urn:veza:${error.code}`,
      title: titleOf(error.code),
      status: error.httpStatus,
      detail: error.message,
      code: error.code,
      hint: error.hint,
      exitStatus: error.exitStatus,
      mistakes: mistakesOf(error),
    };
  }
  return {
    type: `urn:veza:${INTERNAL}`,
    title: titleOf(INTERNAL),
    status: 500,
    detail: `The control plane failed at this request: ${error instanceof Error ? error.message : String(error)}.`,
    code: INTERNAL,
    hint: 'This is a defect of Veza Deploy. The details are in control.log in the state folder.',
    exitStatus: ExitStatus.failed,
    mistakes: [],
  };
}

export function fromProblem(problem: Problem): RemoteError {
  return new RemoteError({
    code: problem.code,
    exitStatus: isExitStatus(problem.exitStatus) ? problem.exitStatus : ExitStatus.failed,
    status: problem.status,
    detail: problem.detail,
    hint: problem.hint,
    mistakes: problem.mistakes,
  });
}

const isExitStatus = (status: number): status is ExitStatus => EXIT_STATUSES.has(status);

const titleOf = (code: string): string => {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Any error may carry `mistakes` (a configuration, a request): they are what a person fixes. */
function mistakesOf(error: VezaError): Problem['mistakes'] {
  const parsed = z.object({ mistakes: z.array(z.object({ path: z.string(), message: z.string() })) }).safeParse(error);
  return parsed.success ? parsed.data.mistakes : [];
}
