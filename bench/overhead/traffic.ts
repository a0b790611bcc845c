import { Agent, request } from 'undici';

export interface Answer {
  /** UTC milliseconds. */
  readonly sentAt: number;
  readonly release: string;
}

/** Steady requests, with who answered each: what users see of a switch. */
export class Traffic {
  readonly #url: string;
  readonly #agent = new Agent({ connections: 16 });
  readonly #timer: NodeJS.Timeout;
  #answers: Answer[] = [];
  #failed = 0;

  /** @param rate requests per second */
  constructor(url: string, rate: number) {
    this.#url = url;
    this.#timer = setInterval(() => void this.#send(), 1_000 / rate);
  }

  /** Requests without any answer. */
  get failed(): number {
    return this.#failed;
  }

  /** Answers since the last call. */
  take(): readonly Answer[] {
    const taken = this.#answers;
    this.#answers = [];
    return taken;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#agent.close();
  }

  async #send(): Promise<void> {
    const sentAt = Date.now();
    try {
      const { headers, body } = await request(this.#url, { dispatcher: this.#agent });
      await body.dump();
      this.#answers.push({ sentAt, release: String(headers['x-veza-release']) });
    } catch {
      this.#failed += 1;
    }
  }
}
