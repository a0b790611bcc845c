import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Target } from '../../core/spec/platform.ts';
import { runtimes } from '../../drivers/runtime/registry.ts';
import type { Runtime } from '../../drivers/runtime/runtime.ts';
import { RuntimeChangedError } from '../../errors.ts';
import type { ImageShelf } from './image-shelf.ts';

export interface RuntimePlace {
  readonly platform: string;
  readonly environment: string;
  /** Folder of the environment's state. */
  readonly folder: string;
  readonly ports: { readonly from: number; readonly to: number };
  /** For targets that run containers. */
  readonly images: ImageShelf;
}

/** Where each kind keeps what it runs, below the environment's folder. */
const FOLDERS: Readonly<Record<Target['kind'], string>> = { process: 'runtime', docker: 'docker' };

/**
 * The runtime that a target names, with what it ran before.
 *
 * @throws RuntimeChangedError when another kind of runtime still runs the environment; the errors of the runtime
 */
export async function openRuntime(target: Target, place: RuntimePlace): Promise<Runtime> {
  for (const [kind, name] of Object.entries(FOLDERS)) {
    if (kind === target.kind) continue;
    const slots = (await readdir(join(place.folder, name, 'slots')).catch(() => [])).filter((file) =>
      file.endsWith('.json'),
    );
    if (slots.length > 0) throw new RuntimeChangedError(place.environment, kind, target.kind, slots.length);
  }
  const stateDir = join(place.folder, FOLDERS[target.kind]);
  switch (target.kind) {
    case 'process':
      return runtimes.process({ stateDir, ports: place.ports });
    case 'docker': {
      const { platform, environment, ports } = place;
      const common = { stateDir, platform, environment, ports, images: place.images.on(target.base) };
      const { hosts, machine, atATime } = target;
      if (machine !== null) return runtimes.dockerHosts({ ...common, hosts, machine, atATime });
      const network = { kind: 'bridge', subnet: target.subnet } as const;
      return runtimes.docker({ ...common, host: { kind: 'socket', path: target.socket }, network });
    }
  }
}
