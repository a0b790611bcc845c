import { ControlPlaneStartError } from '../errors.ts';
import type { ControlPlane } from './control-plane.ts';

export interface ComposeOptions {
  /** Folder of `veza.config.ts`, absolute. */
  readonly projectDir: string;
  /** Folder of journal, releases, instances and sockets, absolute. */
  readonly stateDir: string;
  /** One line for the log and for the person who waits for `veza up`. */
  readonly log: (line: string) => void;
}

export interface ComposedControlPlane {
  readonly controlPlane: ControlPlane;
  /** Ends timers, watchers and leases; instances and gateways go on. */
  close(): Promise<void>;
}

/** Puts the engine, the store and the drivers together for one project. */
export async function composeControlPlane(options: ComposeOptions): Promise<ComposedControlPlane> {
  throw new ControlPlaneStartError(options.stateDir, 'this build has no engine');
}
