import { Simulation, type RunOptions, type RunResult } from './simulation.ts';

let current: Simulation | null = null;
let listens = false;

/** Runs one seed. Not while another one runs: what is thrown where nobody catches it belongs to the run under way. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  if (!listens) process.on('unhandledRejection', (error) => current?.threw(null, error));
  listens = true;
  current = new Simulation(options);
  try {
    return await current.run();
  } finally {
    current = null;
  }
}
