import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLoad, type LoadRun } from '../../src/load/load.ts';
import { addAddress, HostRigs, removeAddress, sshAvailable, type HostRig } from '../rig/host.ts';
import { DeployedDemo } from './deployed-demo.ts';

const MACHINE = '10.213.244.1';
const strategy = {
  kind: 'canary',
  steps: [10, 50],
  hold: '1s',
  watch: '2s',
  keepWarm: '500ms',
  limits: { minSuccess: '80%', maxP99: '9s', minRequests: 10 },
  deadlines: { starting: '60s' },
} as const;

describe.skipIf(!sshAvailable)('a platform on two Docker hosts, under load', () => {
  let rigs: HostRigs;
  let one: HostRig;
  let two: HostRig;
  let demo: DeployedDemo;
  let load: LoadRun;

  beforeAll(async () => {
    await addAddress(MACHINE);
    rigs = await HostRigs.start();
    one = await rigs.host('one', '10.213.244.2');
    two = await rigs.host('two', '10.213.244.3');
    for (const { engine } of [one, two]) engine.networks.push('veza-demo-development');
    const hosts = [one, two].map(({ name, address, destination }) => ({
      name,
      address,
      engine: `ssh://${destination}`,
    }));
    const target = { kind: 'docker', hosts, machine: MACHINE, atATime: 1 };
    demo = await DeployedDemo.start({ strategy, target });
    const first = await demo.deploy(await demo.build('v0', ['web', 'api', 'worker']));
    const live = await demo.follow(first.id);
    expect(live.phase, live.summary).toBe('succeeded');
    load = startLoad({ target: demo.project.url, rate: 60 });
  }, 300_000);

  afterAll(async () => {
    await demo?.stop();
    await rigs?.end();
    await removeAddress(MACHINE);
  }, 120_000);

  /** Hosts of the ready instances of web's release. */
  async function hostsOf(release: string): Promise<readonly string[]> {
    const { services } = await demo.client.call('status', { query: {} });
    const web = services.find(({ service }) => service === 'web');
    const ready = web?.instances.filter((instance) => instance.release === release && instance.state === 'ready') ?? [];
    return ready.map(({ address }) => address.replace(/:\d+$/, '')).toSorted();
  }

  async function settled(release: string, hosts: readonly string[]): Promise<void> {
    for (const deadline = performance.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
      const now = await hostsOf(release);
      if (JSON.stringify(now) === JSON.stringify(hosts)) return;
      if (performance.now() > deadline) throw new Error(`${release} is on ${now.join(', ')}: ${await demo.log()}`);
    }
  }

  it('gets a release one host after the other, and nothing is lost', async () => {
    const [release = ''] = await demo.build('v1', ['web']);
    const before = load.snapshot();
    const { id } = await demo.deploy([release]);
    const ended = await demo.follow(id);
    expect(ended.phase, ended.summary).toBe('succeeded');
    await settled(release, [one.address, two.address]);
    const after = load.snapshot();
    expect({ lost: after.lost - before.lost, wrong: after.wrong - before.wrong }).toEqual({ lost: 0, wrong: 0 });
  }, 180_000);

  it('ends a deployment during which a host dies; what the host had under way is all that is lost', async () => {
    const [release = ''] = await demo.build('v2', ['web']);
    const before = load.snapshot();
    const { id } = await demo.deploy([release]);
    await demo.follow(
      id,
      () => {},
      ({ phase }) => phase === 'stepping',
    );
    await two.die();
    const ended = await demo.follow(id);
    expect(['succeeded', 'reverted'], ended.summary).toContain(ended.phase);
    const live = ended.phase === 'succeeded' ? release : null;
    if (live !== null) await settled(live, [one.address, one.address]);
    const after = load.snapshot();
    const lost = after.lost - before.lost;
    console.log(
      `${ended.phase} ${ended.reason?.text ?? ''}: ${after.requests - before.requests} requests, ${lost} lost`,
    );
    expect(after.wrong - before.wrong).toBe(0);
    // 60 requests a second with answers of milliseconds: a handful is under way at a time.
    expect(lost).toBeLessThanOrEqual(10);
  }, 240_000);

  it('shares out again when the host is back, and loses nothing by that', async () => {
    const before = load.snapshot();
    await two.comeBack();
    const [release = ''] = await demo.build('v3', ['web']);
    const { id } = await demo.deploy([release]);
    const ended = await demo.follow(id);
    expect(ended.phase, ended.summary).toBe('succeeded');
    await settled(release, [one.address, two.address]);
    const report = await load.stop();
    const after = load.snapshot();
    expect({ lost: after.lost - before.lost, wrong: after.wrong - before.wrong }).toEqual({ lost: 0, wrong: 0 });
    expect(report.acknowledged).toMatchObject({ missing: 0, complete: true });
  }, 240_000);
});
