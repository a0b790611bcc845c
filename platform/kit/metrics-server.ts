import { createServer } from 'node:http';
import { Listener } from './listener.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsServer {
  /** of `/metrics` */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves `/metrics` on a port of its own, which no router knows: what is counted is nobody's business outside. */
export async function serveMetrics(metrics: Metrics, host: string, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.url?.split('?', 1)[0] !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end();
      return;
    }
    const format =
      request.headers.accept?.includes('application/openmetrics-text') === true ? 'openmetrics' : 'prometheus';
    const answer = async (): Promise<void> => {
      const { contentType, body } = await metrics.text(format);
      response.writeHead(200, { 'content-type': contentType }).end(request.method === 'HEAD' ? undefined : body);
    };
    answer().catch(() => response.writeHead(500).end());
  });
  const listener = new Listener(server);
  const url = await listener.listen(host, port);
  return {
    url: `${url}/metrics`,
    close: async () => {
      await listener.drain(() => Promise.resolve(), 1000);
    },
  };
}
