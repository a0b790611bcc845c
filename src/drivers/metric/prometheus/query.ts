import { z } from 'zod';
import { askOverHttp, refusedInWords, shownText, shownUrl } from '../bounded-http.ts';
import type { Standing } from '../counters.ts';

/** What an instant query found. */
export interface Found {
  /** By its labels, as JSON. */
  readonly series: Standing;
  /** Keys of series that come from one instance each, as Prometheus scraped it. */
  readonly ofInstances: ReadonlySet<string>;
  /** The moment that it was evaluated for, in Unix seconds; null when nothing was found. */
  readonly at: number | null;
}

export type QueryAnswer = { readonly ok: true; readonly found: Found } | { readonly ok: false; readonly why: string };

const value = z.tuple([z.number(), z.string()]);

const envelope = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    data: z.discriminatedUnion('resultType', [
      z.object({
        resultType: z.literal('vector'),
        result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: value.optional() })),
      }),
      z.object({ resultType: z.literal('scalar'), result: value }),
      z.object({ resultType: z.enum(['matrix', 'string']) }),
    ]),
  }),
  z.object({ status: z.literal('error'), error: z.string() }),
]);

/**
 * Asks a Prometheus, or what speaks as one (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries). By POST, so that
 * no query is too long for an address.
 *
 * @param at Unix seconds; null: the Prometheus' own now
 * @throws the signal's reason, when that is aborted
 */
export async function instantQuery(
  base: URL,
  query: string,
  at: number | null,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<QueryAnswer> {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v1/query`;
  const refused = (why: string): QueryAnswer => ({ ok: false, why: `${shownUrl(url)}: ${why}` });
  const form = new URLSearchParams({ query, timeout: `${timeoutMs}ms`, ...(at === null ? {} : { time: String(at) }) });
  const answer = await askOverHttp(
    url,
    {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': 'veza-metric',
      },
      body: form.toString(),
      timeoutMs,
    },
    signal,
  );
  if (!answer.answered) return refused(answer.why);
  const read = envelope.safeParse(parseJson(answer.body));
  if (!read.success)
    return refused(answer.status === 200 ? 'is no answer of a Prometheus' : refusedInWords(answer.status));
  if (read.data.status === 'error') return refused(`refuses ${query}: ${shownText(read.data.error)}`);
  const { data } = read.data;
  switch (data.resultType) {
    case 'vector':
      return foundIn(data.result, refused);
    case 'scalar':
      return foundIn([{ metric: {}, value: data.result }], refused);
    case 'matrix':
    case 'string':
      return refused(`${query} is a ${data.resultType}: it must give one number for each series`);
  }
}

function foundIn(
  result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly value?: readonly [number, string] | undefined;
  }[],
  refused: (why: string) => QueryAnswer,
): QueryAnswer {
  const series = new Map<string, number>();
  const ofInstances = new Set<string>();
  let at: number | null = null;
  for (const { metric, value: told } of result) {
    if (told === undefined) return refused('gives histograms, which are no counters');
    const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)));
    series.set(key, numberOf(told[1]));
    if (metric['instance'] !== undefined) ofInstances.add(key);
    [at] = told;
  }
  return { ok: true, found: { series, ofInstances, at } };
}

/** Prometheus writes `NaN`, `+Inf` and `-Inf` besides what JavaScript reads. */
const numberOf = (text: string): number => (text === '' ? Number.NaN : Number(text.replace(/Inf$/, 'Infinity')));

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
