import { createDockerRuntime } from './docker/docker-runtime.ts';
import { createDockerFleet } from './docker/fleet/fleet-runtime.ts';
import { createProcessRuntime } from './process/process-runtime.ts';

/** One line a driver: kind of target to what makes its runtime. */
export const runtimes = {
  process: createProcessRuntime,
  docker: createDockerRuntime,
  dockerHosts: createDockerFleet,
} as const;
