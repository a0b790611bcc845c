import { z } from 'zod';
import type { Component } from '../../core/policy/image/inspection.ts';
import {
  Advisory,
  type KnownVulnerability,
  matchAdvisory,
  type VulnerabilityAnswer,
} from '../../core/policy/image/vulnerabilities.ts';

// https://google.github.io/osv.dev/post-v1-querybatch/ and https://google.github.io/osv.dev/get-v1-vulns/

const Batch = z.object({
  results: z.array(
    z.object({ vulns: z.array(z.object({ id: z.string() })).optional(), next_page_token: z.string().optional() }),
  ),
});

/** What the API takes at a time. */
const MOST_QUERIES = 1000;
const MOST_BODY = 64 * 1024 * 1024;
const AT_A_TIME = 8;

class NoAnswer extends Error {}

/** @param base address without a path, `https://api.osv.dev` */
export async function askOsvApi(
  base: string,
  components: readonly Component[],
  signal: AbortSignal,
): Promise<VulnerabilityAnswer> {
  const source = new URL(base).host;
  if (components.length === 0) return { kind: 'checked', source: 'no package to look up', known: [], incomplete: null };
  try {
    const hits = await query(base, components, signal);
    const ids = [...new Set(hits.map(({ id }) => id))];
    const advisories = new Map<string, Advisory>();
    for (let at = 0; at < ids.length; at += AT_A_TIME) {
      const some = ids.slice(at, at + AT_A_TIME);
      const found = await Promise.all(
        some.map((id) => ask(new URL(`/v1/vulns/${encodeURIComponent(id)}`, base), null, Advisory, signal)),
      );
      for (const advisory of found) advisories.set(advisory.id, advisory);
    }
    const known = hits.flatMap(({ id, component }) => {
      const advisory = advisories.get(id);
      return advisory?.withdrawn === undefined ? [describe(id, component, advisory)] : [];
    });
    return { kind: 'checked', source, known, incomplete: null };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { kind: 'not-checked', why: `${source}: ${error.message}` };
  }
}

/** What the API has matched counts, also where the match cannot be repeated here. */
function describe(id: string, component: Component, advisory: Advisory | undefined): KnownVulnerability {
  const matched = advisory === undefined ? null : matchAdvisory(advisory, component);
  return (
    matched ?? {
      component,
      id,
      aliases: advisory?.aliases ?? [],
      summary: advisory?.summary ?? '',
      severity: null,
      fixed: null,
    }
  );
}

interface Hit {
  readonly id: string;
  readonly component: Component;
}

interface Query {
  readonly component: Component;
  readonly page: string | null;
}

async function query(base: string, components: readonly Component[], signal: AbortSignal): Promise<readonly Hit[]> {
  const hits: Hit[] = [];
  let todo: Query[] = components.map((component) => ({ component, page: null }));
  while (todo.length > 0) {
    const some = todo.slice(0, MOST_QUERIES);
    const { results } = await ask(new URL('/v1/querybatch', base), { queries: some.map(toQuery) }, Batch, signal);
    if (results.length !== some.length) throw new NoAnswer(`${results.length} answers to ${some.length} questions`);
    todo = todo.slice(MOST_QUERIES);
    for (const [index, { vulns, next_page_token: page }] of results.entries()) {
      const component = some[index]?.component;
      if (component === undefined) continue;
      hits.push(...(vulns ?? []).map(({ id }) => ({ id, component })));
      if (page !== undefined && page !== '') todo.push({ component, page });
    }
  }
  return hits;
}

const toQuery = ({ component: { ecosystem, name, version }, page }: Query): Readonly<Record<string, unknown>> => ({
  package: { ecosystem, name },
  version,
  ...(page === null ? {} : { page_token: page }),
});

async function ask<T>(url: URL, body: unknown, shape: z.ZodType<T>, signal: AbortSignal): Promise<T> {
  let text: string;
  try {
    const response = await fetch(url, {
      signal,
      ...(body === null
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    text = await bounded(response);
    if (!response.ok) throw new NoAnswer(`answered ${response.status}`);
  } catch (error) {
    if (signal.aborted || error instanceof NoAnswer) throw error;
    const cause =
      error instanceof Error && error.cause instanceof Error && 'code' in error.cause
        ? String(error.cause.code)
        : 'failed';
    throw new NoAnswer(`cannot be reached (${cause})`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new NoAnswer('answered what is no JSON');
  }
  const parsed = shape.safeParse(json);
  if (!parsed.success) throw new NoAnswer('answered something else than OSV does');
  return parsed.data;
}

async function bounded(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    if (bytes > MOST_BODY) throw new NoAnswer('answered too much');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
