import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDetached } from '../../src/cli/control-process.ts';
import { startLoad, type LoadRun } from '../../src/load/load.ts';
import { isClean } from '../../src/load/report.ts';
import { isAlive } from '../../src/system/is-alive.ts';
import { DockerRig } from '../contract/docker-rig.ts';
import { DeployedDemo } from './deployed-demo.ts';

const strategy = {
  kind: 'canary',
  steps: [10, 50],
  hold: '1s',
  watch: '1s',
  keepWarm: '500ms',
  limits: { minSuccess: '95%', maxP99: '9s', minRequests: 10 },
  deadlines: { starting: '60s' },
} as const;

const PHASES = ['preparing', 'starting', 'checking', 'stepping', 'switched', 'watching', 'retiring'] as const;

let rig: DockerRig;
let demo: DeployedDemo;
let load: LoadRun;
let version = 0;

beforeAll(async () => {
  rig = await DockerRig.start({ liveRestore: true });
  rig.networks.push('veza-demo-development');
  const target = { kind: 'docker', socket: rig.socket, subnet: '10.213.247.0/24' };
  demo = await DeployedDemo.start({ strategy, target });
  const first = await demo.deploy(await demo.build('v0', ['web', 'api', 'worker']));
  const live = await demo.follow(first.id);
  expect(live.phase, live.summary).toBe('succeeded');
  load = startLoad({ target: demo.project.url, rate: 60 });
}, 240_000);

afterAll(async () => {
  await demo.stop();
  await rig.end();
}, 120_000);

async function killControlPlane(): Promise<void> {
  const { pid } = await demo.client.call('info', {});
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  const { dir, stateDir } = demo.project;
  await startDetached({ dir, stateDir }, { signal: AbortSignal.timeout(60_000), onProgress: () => {} });
}

async function killEngine(): Promise<void> {
  await rig.down('SIGKILL');
  await rig.up();
}

/** Deploys a new version of web, and lets the fault happen as soon as it is in the phase, or beyond: phases may be short. */
async function deployThrough(phase: (typeof PHASES)[number], fault: () => Promise<void>): Promise<void> {
  version += 1;
  const [release = ''] = await demo.build(`v${version}`, ['web']);
  const { id } = await demo.deploy([release]);
  await demo.follow(
    id,
    undefined,
    (view) => PHASES.indexOf(view.phase as (typeof PHASES)[number]) >= PHASES.indexOf(phase),
  );
  await fault();
  const ended = await demo.follow(id);
  expect(ended.phase, `${ended.summary}\n${await demo.log()}`).toBe('succeeded');
  const { services } = await demo.client.call('status', { query: { environment: null } });
  expect(services.find(({ service }) => service === 'web')).toMatchObject({ stable: { release } });
}

describe('a deployment to containers', () => {
  it.each(PHASES)('ends as it must though the control plane is killed while it is %s', async (phase) => {
    await deployThrough(phase, killControlPlane);
  });

  it.each(PHASES)('ends as it must though the Docker Engine is killed while it is %s', async (phase) => {
    await deployThrough(phase, killEngine);
  });

  it('loses no request over all of these', async () => {
    const report = await load.stop();
    expect(report.lostDetails).toEqual([]);
    expect(report.wrongDetails).toEqual([]);
    expect(isClean(report)).toBe(true);
  });
});
