import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { addMirrors, MirrorCounts } from '../../core/mirror-counts.ts';
import type { Endpoint } from '../../core/route-table.ts';
import type { MirrorSecond, TrafficSecond } from '../../core/traffic.ts';
import type { TestGateway } from '../testing-gateway.ts';

/** An instance for tests that keeps what it was asked. */
export interface RecordingInstance {
  readonly endpoint: Endpoint;
  readonly asked: readonly Asked[];
  end(): Promise<void>;
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

export async function recordingInstance(
  id: string,
  answer: (request: http.IncomingMessage, response: http.ServerResponse) => void = (_, response) =>
    void response.end('ok'),
): Promise<RecordingInstance> {
  const asked: Asked[] = [];
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    response.on('error', () => {});
    request.resume();
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    endpoint: { id, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    asked,
    async end() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Follows what a gateway counts of one service, closed seconds and the one that is not over. */
export class Counted {
  readonly #gateway: TestGateway;
  readonly #service: string;
  readonly #closed: TrafficSecond[] = [];

  constructor(gateway: TestGateway, service = 'web') {
    this.#gateway = gateway;
    this.#service = service;
  }

  seconds(): readonly TrafficSecond[] {
    const current = this.#gateway.gateway.current(this.#service);
    this.#closed.push(...this.#gateway.gateway.takeClosed().filter(({ service }) => service === this.#service));
    return current === null || this.#closed.at(-1)?.second === current.soFar.second
      ? this.#closed
      : [...this.#closed, current.soFar];
  }

  mirror(): MirrorSecond {
    return this.seconds().reduce((sum, { mirror }) => (mirror === undefined ? sum : addMirrors(sum, mirror)), nothing);
  }

  requests(arm: 'stable' | 'candidate'): number {
    return this.seconds().reduce((sum, { arms }) => sum + arms[arm].requests, 0);
  }
}

const nothing = new MirrorCounts().read();

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Milliseconds to the end of the answer. */
  readonly ms: number;
}

export function askFor(
  port: number,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: http.OutgoingHttpHeaders;
    readonly body?: string;
    readonly agent?: http.Agent;
  } = {},
): Promise<Reply> {
  const { method = 'GET', headers = {}, body, agent } = options;
  const from = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path, method, headers, agent: agent ?? false },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0, headers: got } = response;
          resolve({ status: statusCode, headers: got, body: text, ms: performance.now() - from });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
