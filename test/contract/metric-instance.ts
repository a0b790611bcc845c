import { startFaultyServer, type FaultyServer } from './faulty-server.ts';

/** A real instance that exports what it has counted, as Prometheus text. */
export interface CountingInstance {
  readonly server: FaultyServer;
  readonly endpoint: { readonly id: string; readonly host: string; readonly port: number };
  /** What stands on the page, by series. */
  readonly counters: Map<string, number | string>;
  /** Counts payments of which some were declined. */
  count(declined: number, payments: number): void;
  /** As a process that starts anew: every counter from zero. */
  restart(): void;
}

export const DECLINED = 'payments_total{result="declined"}';
const ACCEPTED = 'payments_total{result="accepted"}';

export async function startCountingInstance(id: string): Promise<CountingInstance> {
  const counters = new Map<string, number | string>();
  const server = await startFaultyServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    const lines = [...counters].map(([series, value]) => `${series} ${value}\n`);
    response.end(`# HELP payments_total Payments by "result".\n# TYPE payments_total counter\n${lines.join('')}`);
  });
  const add = (series: string, count: number): void => {
    counters.set(series, Number(counters.get(series) ?? 0) + count);
  };
  return {
    server,
    endpoint: { id, host: '127.0.0.1', port: server.port },
    counters,
    count(declined, payments) {
      if (declined > 0) add(DECLINED, declined);
      add(ACCEPTED, payments - declined);
    },
    restart() {
      counters.clear();
    },
  };
}
