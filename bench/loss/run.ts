import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/system/free-port.ts';
import type { LoadReport, LoadSnapshot } from '../../src/load/report.ts';
import { Client } from './client.ts';
import { Fleet, type Slotful } from './fleet.ts';
import type { LossRouter, StartRouter } from './routers/router.ts';

export type Manner = 'plain' | 'polite';

export interface LossOptions {
  /** Requests that are sent at least. */
  readonly requests: number;
  readonly rate: number;
  readonly deployments: number;
  readonly replacements: number;
  /** What instances do with their streams at SIGTERM. */
  readonly manner: Manner;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

export type ActionKind = 'deployment' | 'replacement' | 'kill';

/** What was lost from the beginning of an action to the beginning of the next. */
export interface Segment {
  readonly action: ActionKind | 'nothing';
  readonly requests: number;
  readonly lost: number;
  readonly wrong: number;
  readonly byKind: Readonly<Record<string, number>>;
}

export interface LossResult {
  readonly router: string;
  readonly manner: Manner;
  readonly practice: LossRouter['practice'];
  readonly segments: readonly Segment[];
  readonly report: LoadReport;
}

/** Milliseconds after an action in which what it breaks is still its own. */
const settleMs = { deployment: 1_000, replacement: 2_000, kill: 3_000 };

/** One router under traffic that knows every answer, while instances, the router and its processes are replaced. */
export async function measureLoss(start: StartRouter, options: LossOptions): Promise<LossResult> {
  const { signal, progress } = options;
  const folder = await mkdtemp(join(tmpdir(), 'veza-bench-loss-'));
  // Workers that give up root's rights must get to what they buffer there.
  await chmod(folder, 0o755);
  const store = join(folder, 'messages');
  await writeFile(store, '');
  const fleet = new Fleet(store, options.manner);
  let router: LossRouter | null = null;
  let client: Client | null = null;
  try {
    let current = await fleet.next(signal);
    const own = join(folder, 'router');
    await mkdir(own);
    router = await start({ folder: own, port: await freePort('127.0.0.1', 0), first: current, signal });
    client = new Client(loadOf(router.port, options.rate));
    const segments: Segment[] = [];
    let before = await client.snapshot();
    const close = async (action: Segment['action']): Promise<Segment> => {
      const now = await (client as Client).snapshot();
      const segment = difference(action, before, now);
      before = now;
      segments.push(segment);
      return segment;
    };
    await sleep(2_000, undefined, { signal });
    await close('nothing');
    for (const action of actionsOf(options)) {
      const began = performance.now();
      current = await act(action, router, fleet, current, signal);
      await sleep(settleMs[action], undefined, { signal });
      const { requests, lost, byKind } = await close(action);
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      progress(
        `${router.name.padEnd(14)} ${action.padEnd(11)} ${seconds} s  ${requests} requests, ${lost} lost ${words(byKind)}`,
      );
    }
    while (before.requests < options.requests) {
      await sleep(500, undefined, { signal });
      await close('nothing');
    }
    const report = await client.report();
    return { router: router.name, manner: options.manner, practice: router.practice, segments, report };
  } finally {
    await client?.end();
    await router?.stop();
    await fleet.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The load of both the benchmark and the soak, at a rate of its own. */
export function loadOf(port: number, rate: number) {
  return {
    target: `http://127.0.0.1:${port}`,
    rate,
    mix: { echo: 12, post: 6, chain: 0, read: 0 },
    uploadEveryMs: 250,
    uploadBytes: 1_000_000,
    eventStreams: 20,
    webSockets: 20,
  };
}

/** Replacements evenly among the deployments, the kill before the last of them. */
export function actionsOf({
  deployments,
  replacements,
}: Pick<LossOptions, 'deployments' | 'replacements'>): readonly ActionKind[] {
  const actions: ActionKind[] = [];
  let replaced = 0;
  for (let number = 1; number <= deployments; number += 1) {
    if (number === deployments) actions.push('kill');
    actions.push('deployment');
    if (replaced < Math.floor((number * (replacements + 1)) / deployments) && replaced < replacements) {
      replaced += 1;
      actions.push('replacement');
    }
  }
  return actions;
}

async function act(
  action: ActionKind,
  router: LossRouter,
  fleet: Fleet,
  current: Slotful,
  signal: AbortSignal,
): Promise<Slotful> {
  switch (action) {
    case 'deployment': {
      const next = await fleet.next(signal);
      await router.move(current, next, signal);
      await current.stop();
      return next;
    }
    case 'replacement':
      await router.replace(signal);
      return current;
    case 'kill':
      await router.kill(signal);
      return current;
  }
}

function difference(action: Segment['action'], from: LoadSnapshot, to: LoadSnapshot): Segment {
  const byKind: Record<string, number> = {};
  for (const [kind, count] of Object.entries(to.lostByKind)) {
    const more = count - (from.lostByKind[kind as keyof typeof from.lostByKind] ?? 0);
    if (more > 0) byKind[kind] = more;
  }
  return {
    action,
    requests: to.requests - from.requests,
    lost: to.lost - from.lost,
    wrong: to.wrong - from.wrong,
    byKind,
  };
}

function words(byKind: Readonly<Record<string, number>>): string {
  const parts = Object.entries(byKind).map(([kind, count]) => `${count} ${kind}`);
  return parts.length === 0 ? '' : `(${parts.join(', ')})`;
}
