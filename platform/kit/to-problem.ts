import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { Problem } from './problem.ts';

/** What Fastify refuses by itself, in our words: its own may quote what was sent. */
const FRAMEWORK: Readonly<Record<string, readonly [code: string, detail: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'The body is larger than this route takes.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'This route does not take a body of that type.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid-content-length', 'The body has another length than it said.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid-json', 'The body is empty and should be JSON.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid-json', 'The body is not JSON.'],
};

/** The problem that a client is told of for whatever a route threw. Of what was not foreseen it is told nothing. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = error.validationContext ?? 'body';
    return new Problem(400, 'invalid-request', 'The request does not have the form that this route takes.', {
      members: {
        errors: error.validation.map(({ instancePath, message }) => ({
          in: where === 'querystring' ? 'query' : where,
          at: instancePath,
          message: message ?? 'is wrong',
        })),
      },
      cause: error,
    });
  }
  if (error instanceof Error) {
    const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
    const known = typeof code === 'string' && Object.hasOwn(FRAMEWORK, code) ? FRAMEWORK[code] : undefined;
    if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
      const [name, detail] = known ?? ['refused', 'The request cannot be taken like this.'];
      return new Problem(statusCode, name, detail, { cause: error });
    }
    // JSON with `__proto__` or `constructor` in it
    if (error instanceof SyntaxError && statusCode === 400) {
      return new Problem(400, 'invalid-json', 'The body is not JSON.', { cause: error });
    }
  }
  return new Problem(500, 'internal', 'Something went wrong here. It is noted.', { cause: error });
}
