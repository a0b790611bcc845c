import type { BrowserContext, Page } from 'playwright-core';

/** What must not happen on any page, as it happens. */
export class Watch {
  readonly #origin: string;
  readonly #faults: string[] = [];
  readonly #allowed: RegExp[] = [];

  /** @param origin whatever is asked of another one is a fault */
  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Everything since it was asked last; forgets it, and what was allowed. */
  faults(): readonly string[] {
    const allowed = this.#allowed.splice(0);
    return this.#faults.splice(0).filter((fault) => !allowed.some((pattern) => pattern.test(fault)));
  }

  /** For what a test brings about on purpose: browsers print every answer of 400 and more as an error. */
  allow(pattern: RegExp): void {
    this.#allowed.push(pattern);
  }

  async context(context: BrowserContext): Promise<void> {
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(
          `refused by the content security policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`,
        );
      });
    });
    context.on('page', (page) => this.#page(page));
    context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== this.#origin && protocol !== 'blob:') this.#faults.push(`foreign request: ${request.url()}`);
    });
  }

  #page(page: Page): void {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.#faults.push(`${message.type()} on the console: ${message.text()} (${message.location().url})`);
      }
    });
    page.on('pageerror', (error) => this.#faults.push(`thrown: ${error.stack ?? error.message}`));
    page.on('websocket', (socket) => {
      if (new URL(socket.url()).host !== new URL(this.#origin).host)
        this.#faults.push(`foreign socket: ${socket.url()}`);
    });
  }
}
