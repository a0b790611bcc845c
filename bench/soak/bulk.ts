import { join } from 'node:path';
import { freePort } from '../../src/system/free-port.ts';
import type { Router } from '../../src/drivers/router/router.ts';
import { errorsOf, saturate, openLoopCommand, type OpenLoop } from '../gateway/measure.ts';
import type { Slotful } from '../loss/fleet.ts';
import { startDriver, type Around } from '../loss/routers/driver.ts';
import type { LossRouter } from '../loss/routers/router.ts';
import { OwnedProcess } from '../machine/owned-process.ts';
import { compiled, requirePrograms } from '../machine/programs.ts';

const host = 'bulk.local';
const tools = join(import.meta.dirname, '../gateway/tools');

export interface BulkOptions {
  /** Share of the gateway's own limit, 0 to 1. */
  readonly share: number;
  /** Requests a second that others make up of that. */
  readonly less: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

export interface BulkReport {
  /** Requests a second that the gateway can do at most, as measured before. */
  readonly limit: number;
  readonly loop: OpenLoop;
  /** Without an answer, or with a wrong one. */
  readonly lost: number;
}

/** Many plain requests to a service of its own, deployed as the other one is: what makes the gateway busy. */
export class BulkLoad {
  readonly #router: LossRouter;
  readonly #program: string;
  readonly #load: OwnedProcess;
  readonly #limit: number;
  #current: Slotful;

  private constructor(router: LossRouter, program: string, load: OwnedProcess, limit: number, current: Slotful) {
    this.#router = router;
    this.#program = program;
    this.#load = load;
    this.#limit = limit;
    this.#current = current;
  }

  /** Finds the gateway's limit, then starts the load that makes up the rest of the share. */
  static async start(router: Router, around: Around, options: BulkOptions): Promise<BulkLoad> {
    const { signal } = options;
    const programs = requirePrograms({ wrk: 'wrk', cc: 'gcc libc6-dev' });
    const upstream = await compiled(programs.cc, join(tools, 'upstream.c'), signal);
    const openLoop = await compiled(programs.cc, join(tools, 'open-loop.c'), signal);
    const current = await startUpstream(upstream, 1, signal);
    try {
      const driver = await startDriver(router, around, current, signal, 'bulk', [host]);
      const loop = { url: `http://127.0.0.1:${around.port}/100`, connections: 32, close: false, script: null, host };
      await saturate(programs.wrk, { ...loop, seconds: 3 }, signal);
      const { requestsPerSecond: limit } = await saturate(programs.wrk, { ...loop, seconds: 5 }, signal);
      const rate = Math.max(1, Math.round(limit * options.share - options.less));
      options.progress(
        `the limit is ${Math.round(limit)} requests/s: ${rate} requests/s beside the other ${options.less}`,
      );
      const asked = { port: around.port, method: 'GET', path: '/100', bodyBytes: 0, connections: 64 } as const;
      const load = new OwnedProcess(
        openLoopCommand(openLoop, { ...asked, rate, seconds: options.seconds }, null, host),
      );
      return new BulkLoad(driver, upstream, load, limit, current);
    } catch (error) {
      await current.stop();
      throw error;
    }
  }

  async deploy(signal: AbortSignal): Promise<void> {
    const next = await startUpstream(this.#program, Number(this.#current.version.slice(1)) + 1, signal);
    await this.#router.move(this.#current, next, signal);
    await this.#current.stop();
    this.#current = next;
  }

  async report(): Promise<BulkReport> {
    await this.#load.ended();
    const loop = JSON.parse(this.#load.output) as OpenLoop;
    // What was never sent is a busy machine, and nothing that the gateway lost.
    return { limit: this.#limit, loop, lost: errorsOf(loop) - loop.unsent };
  }

  async end(): Promise<void> {
    await this.#load.stop();
    await this.#current.stop();
  }
}

async function startUpstream(program: string, version: number, signal: AbortSignal): Promise<Slotful> {
  const port = await freePort('127.0.0.1', 0);
  const upstream = new OwnedProcess({ program, args: [String(port)] });
  await upstream.listening(port, signal);
  return {
    version: `v${version}`,
    endpoints: [{ id: `bulk-${version}`, host: '127.0.0.1', port }],
    stop: () => upstream.stop(),
  };
}
