import type { HostileCase } from './case.ts';
import { themes } from './corpus/themes.ts';
import { sameDeed } from './difference.ts';
import { fire } from './fire.ts';
import { arrivedKey, describeOutcome, judge, kindOf, type CaseResult, type Kind } from './judge.ts';
import { randomFrom } from './random.ts';
import { modes, type Mode } from './raw-client.ts';
import { RecordingInstance } from './recording-instance.ts';
import { haproxyVersion, startDataPlane, startHaproxy, type RouterUnderFire } from './routers.ts';

export interface CaseReport {
  readonly theme: string;
  readonly one: HostileCase;
  readonly gateway: CaseResult;
  /** Null when HAProxy is not installed. */
  readonly haproxy: CaseResult | null;
  /** Both did the same, and HAProxy as expected. */
  readonly same: boolean;
}

async function runCase(
  router: RouterUnderFire,
  instance: RecordingInstance,
  one: HostileCase,
  seed: number,
): Promise<CaseResult> {
  const problems: string[] = [];
  const results: { mode: Mode; kind: Kind; what: string; key: string }[] = [];
  for (const [at, mode] of modes.entries()) {
    const outcome = await fire(router, instance, one, mode, randomFrom(seed * 31 + at));
    for (const problem of judge(one, outcome, router.name)) problems.push(`${mode}: ${problem}`);
    results.push({ mode, kind: kindOf(outcome), what: describeOutcome(outcome), key: arrivedKey(outcome) });
  }
  const [whole] = results;
  if (whole === undefined) throw new Error('no mode of sending');
  return { kind: whole.kind, what: whole.what, key: whole.key, problems };
}

/**
 * Sends every case of the corpus through the gateway and, when it is installed, through HAProxy.
 *
 * @param only a part of the names to run; empty: all
 * @param start how our gateway is started
 */
export async function runCorpus(
  only: string,
  reference: boolean,
  progress: (report: CaseReport) => void,
  start: typeof startDataPlane = startDataPlane,
): Promise<{
  readonly reports: readonly CaseReport[];
  readonly haproxy: string | null;
  readonly complaints: readonly string[];
}> {
  const instances = { gateway: new RecordingInstance(), haproxy: new RecordingInstance() };
  const gateway = await start(await instances.gateway.start());
  const endpoint = await instances.haproxy.start();
  const haproxy = reference && haproxyVersion() !== null ? await startHaproxy(endpoint) : null;
  const reports: CaseReport[] = [];
  try {
    let seed = 1;
    for (const { name: theme, cases } of themes) {
      for (const one of cases) {
        if (!one.name.includes(only)) continue;
        seed += 1;
        const [ours, theirs] = await Promise.all([
          runCase(gateway, instances.gateway, one, seed),
          haproxy === null ? null : runCase(haproxy, instances.haproxy, one, seed),
        ]);
        const same = theirs === null || sameDeed(ours, theirs);
        const report = { theme, one, gateway: ours, haproxy: theirs, same };
        reports.push(report);
        progress(report);
      }
    }
    return { reports, haproxy: haproxy?.version ?? null, complaints: await gateway.complaints() };
  } finally {
    await Promise.all([gateway.end(), haproxy?.end()]);
    await Promise.all([instances.gateway.stop(), instances.haproxy.stop()]);
  }
}
