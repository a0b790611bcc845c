import { Agent as PlainAgent, request as plainRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';

export interface SteadyAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface SteadyOptions {
  readonly url: string;
  /** PEM of the authority to trust, for https. */
  readonly ca?: string;
  /** Clients, each with one kept connection, one request after the other. */
  readonly clients: number;
}

/** Requests without a pause on kept connections; every answer and every failure is kept. */
export class SteadyRequests {
  readonly answers: SteadyAnswer[] = [];
  /** What users would have noticed: requests without a whole answer. */
  readonly failures: string[] = [];
  readonly #options: SteadyOptions;
  readonly #ended: Promise<unknown>;
  #stopped = false;

  constructor(options: SteadyOptions) {
    this.#options = options;
    this.#ended = Promise.all(Array.from({ length: options.clients }, () => this.#client()));
  }

  /** Resolves when so many more answers have come that began after this call. */
  async more(count: number): Promise<void> {
    const deadline = performance.now() + 30_000;
    // Those that are in flight now began before.
    const wanted = this.answers.length + this.#options.clients + count;
    while (this.answers.length < wanted) {
      if (performance.now() > deadline) {
        throw new Error(`no ${count} answers within 30 s: ${this.failures.slice(-3).join('; ') || 'nobody answers'}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Statuses and how often each came, for a comparison. */
  statuses(from = 0): Readonly<Record<number, number>> {
    const counts: Record<number, number> = {};
    for (const { status } of this.answers.slice(from)) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #client(): Promise<void> {
    const { url, ca } = this.#options;
    const agent = url.startsWith('https:')
      ? new SecureAgent({ keepAlive: true, maxSockets: 1, ...(ca === undefined ? {} : { ca }) })
      : new PlainAgent({ keepAlive: true, maxSockets: 1 });
    while (!this.#stopped) {
      try {
        this.answers.push(await askOnce(url, agent));
      } catch (error) {
        this.failures.push(`${new Date().toISOString()} ${error instanceof Error ? error.message : String(error)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    agent.destroy();
  }
}

/** One request on a connection of this agent. */
export function askOnce(url: string, agent: PlainAgent | SecureAgent): Promise<SteadyAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? secureRequest : plainRequest;
    const request = send(url, { agent, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
    request.end();
  });
}
