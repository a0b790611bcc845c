import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { LoadOptions } from '../../src/load/options.ts';
import type { LoadReport, LoadSnapshot } from '../../src/load/report.ts';
import { OwnedProcess } from '../machine/owned-process.ts';

/** The load client in a process of its own. */
export class Client {
  readonly #process: OwnedProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(options: LoadOptions) {
    const program = join(import.meta.dirname, 'client-program.ts');
    this.#process = new OwnedProcess({ program: process.execPath, args: [program, JSON.stringify(options)] });
    const { stdout } = this.#process.child;
    if (stdout === null) throw new Error('the client has no output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** The counts as they are now. */
  async snapshot(): Promise<LoadSnapshot> {
    return (await this.#ask('snapshot')) as LoadSnapshot;
  }

  /** Sends nothing more, waits for what is in flight, checks what was acknowledged. */
  async report(): Promise<LoadReport> {
    const report = (await this.#ask('stop')) as LoadReport;
    await this.end();
    return report;
  }

  async end(): Promise<void> {
    this.#process.child.stdin?.end();
    await this.#process.stop();
  }

  async #ask(word: string): Promise<unknown> {
    this.#process.child.stdin?.write(`${word}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the load client ended: ${this.#process.output}`);
    return JSON.parse(value);
  }
}
