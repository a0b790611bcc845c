import { statfs } from 'node:fs/promises';
import type { CheckView } from '../../api/schemas.ts';
import { soon } from './gateway-view.ts';
import type { RunningEngine } from '../../engine/start.ts';
import type { Journal } from '../../store/journal.ts';
import type { OpenEnvironment } from './environments.ts';

export interface DoctorParts {
  readonly journal: Journal;
  readonly stateDir: string;
  readonly running: RunningEngine;
  readonly opened: () => ReadonlyMap<string, OpenEnvironment>;
}

const LOW_DISK_BYTES = 1024 ** 3;

/** What only a running control plane can say: its troubles, journal, disk, drivers, routers and resources. */
export async function doctor({ journal, stateDir, opened, running }: DoctorParts): Promise<readonly CheckView[]> {
  const checks: CheckView[] = running
    .troubles()
    .map((text) => ({ name: 'control plane', state: 'warning', text, fix: null }));
  const { seq } = journal.head();
  journal.verify();
  checks.push({ name: 'journal', state: 'ok', text: `${seq} entries, chain intact`, fix: null });
  const { bavail, bsize } = await statfs(stateDir);
  const free = bavail * bsize;
  checks.push({
    name: 'disk',
    state: free < LOW_DISK_BYTES ? 'warning' : 'ok',
    text: `${(free / 1024 ** 3).toFixed(1)} GiB free for ${stateDir}`,
    fix: free < LOW_DISK_BYTES ? 'Make room: without it nothing is started or moved.' : null,
  });
  for (const [name, environment] of opened()) {
    const { parts, resources } = environment;
    for (const text of await parts.runtime.limitations())
      checks.push({ name: `${name} runtime`, state: 'warning', text, fix: null });
    const routes = await parts.router.observe(AbortSignal.timeout(5_000));
    checks.push({
      name: `${name} gateway`,
      state: 'ok',
      text: `${routes.length} ${routes.length === 1 ? 'service' : 'services'} routed`,
      fix: null,
    });
    for (const text of await environment.routerWarnings(soon()))
      checks.push({ name: `${name} gateway`, state: 'warning', text, fix: null });
    for (const [resource, driver] of resources) {
      const { state, address, reason } = await driver.status();
      const text = `${address}${reason === null ? '' : `: ${reason}`}`;
      checks.push({ name: `${name} ${resource}`, state: state === 'ready' ? 'ok' : 'warning', text, fix: null });
    }
  }
  return checks;
}
