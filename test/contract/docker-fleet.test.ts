import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ReleaseId } from '../../src/core/release/release.ts';
import type { Probe } from '../../src/core/spec/platform.ts';
import type { DurationMs } from '../../src/core/units/quantities.ts';
import { createDockerFleet } from '../../src/drivers/runtime/docker/fleet/fleet-runtime.ts';
import type { ImageSupply } from '../../src/drivers/runtime/docker/image-supply.ts';
import type { InstanceStatus, Runtime, SlotDesire } from '../../src/drivers/runtime/runtime.ts';
import { CapacityError } from '../../src/errors.ts';
import { addAddress, HostRigs, removeAddress, sshAvailable, type HostRig } from '../rig/host.ts';
import { rigImages } from './docker-rig.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const fixtures = fileURLToPath(new URL('./fixtures/instances', import.meta.url));
const ms = (value: number): DurationMs => value as DurationMs;
const MACHINE = '10.213.245.1';
const probe: Probe = {
  check: { kind: 'http', path: '/health' },
  intervalMs: ms(200),
  timeoutMs: ms(500),
  failures: 100,
};

describe.skipIf(!sshAvailable)('several Docker hosts, over SSH', () => {
  let rigs: HostRigs;
  let one: HostRig;
  let two: HostRig;
  let layoutDir: string;
  let artifactDir: string;
  let images: ImageSupply;
  let stateDir: string;
  let fleet: Runtime;

  beforeAll(async () => {
    layoutDir = mkdtempSync(join(tmpdir(), 'veza-fleet-images-'));
    artifactDir = join(layoutDir, 'artifact');
    mkdirSync(artifactDir);
    cpSync(join(fixtures, 'server.js'), join(artifactDir, 'server.js'));
    images = await rigImages(layoutDir);
    await addAddress(MACHINE);
    rigs = await HostRigs.start();
    one = await rigs.host('one', '10.213.245.2');
    two = await rigs.host('two', '10.213.245.3');
    for (const { engine } of [one, two]) engine.networks.push('veza-fleet-staging');
  }, 180_000);
  afterAll(async () => {
    await rigs?.end();
    await removeAddress(MACHINE);
    rmSync(layoutDir, { recursive: true, force: true });
  }, 60_000);

  const open = (atATime = 2): Promise<Runtime> =>
    createDockerFleet({
      stateDir,
      platform: 'fleet',
      environment: 'staging',
      hosts: [one, two].map(({ name, address, destination }) => ({
        name,
        address,
        engine: { kind: 'ssh', destination },
      })),
      machine: MACHINE,
      atATime,
      ports: { from: 24_600, to: 24_699 },
      images,
    });

  beforeEach(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'veza-fleet-'));
    fleet = await open();
  }, 60_000);
  afterEach(async () => {
    await fleet.close();
    for (const { engine } of [one, two]) await engine.clear();
    rmSync(stateDir, { recursive: true, force: true });
  }, 60_000);

  const desire = (changes: Partial<SlotDesire> = {}): SlotDesire => ({
    ref: { environment: 'staging', service: 'api', slot: 'blue' },
    release: 'rel_00000000000000000001' as ReleaseId,
    artifactDir,
    run: ['node', 'server.js'],
    instances: 4,
    environment: { GREETING: 'hello' },
    health: { startup: probe, readiness: { ...probe, failures: 3 }, liveness: null, stableForMs: ms(0) },
    restart: { backoffMs: ms(100), maxBackoffMs: ms(1000), crashLoopAfter: 5, windowMs: ms(30_000) },
    stopGraceMs: 3000,
    limits: { memory: null, cpus: null },
    ...changes,
  });

  const instances = async (): Promise<readonly InstanceStatus[]> =>
    (await fleet.observe(never)).flatMap((slot) => slot.instances);
  const on = (all: readonly InstanceStatus[], { address }: HostRig): readonly InstanceStatus[] =>
    all.filter((instance) => instance.address.host === address && instance.state === 'ready');
  const containers = async ({ engine }: HostRig): Promise<number> =>
    (await run('docker', ['--host', `unix://${engine.socket}`, 'ps', '--all', '--quiet'])).stdout
      .split('\n')
      .filter(Boolean).length;

  async function reach(holds: () => Promise<boolean>, what: string): Promise<void> {
    for (const deadline = performance.now() + 60_000; !(await holds());) {
      if (performance.now() > deadline) throw new Error(`${what}: ${JSON.stringify(await instances())}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const spread = (here: number, there: number): Promise<void> =>
    reach(async () => {
      const all = await instances();
      return on(all, one).length === here && on(all, two).length === there && all.length === here + there;
    }, `${here} on one and ${there} on two`);

  it('share the instances of a slot, each reached at its host; nothing is left of what is removed', async () => {
    await fleet.reserve(desire(), 4, never);
    await fleet.apply(desire(), never);
    await spread(2, 2);
    for (const { id, address } of await instances()) {
      const answer = await fetch(`http://${address.host}:${address.port}/health`, {
        signal: AbortSignal.timeout(5_000),
      });
      expect(answer.status, id).toBe(200);
    }
    expect(await fleet.observe(never)).toMatchObject([{ wanted: 4, release: desire().release }]);
    expect(await fleet.limitations()).toEqual([]);
    await fleet.remove(desire().ref, never);
    expect(await fleet.observe(never)).toEqual([]);
    expect([await containers(one), await containers(two)]).toEqual([0, 0]);
  });

  it('get a release one after the other when they are told so: the next one when the first is ready', async () => {
    await fleet.close();
    fleet = await open(1);
    let early = false;
    const leave = fleet.subscribe(({ instances: all }) => {
      const there = all.filter(({ address }) => address.host === two.address);
      if (there.length > 0 && on(all, one).length < 2) early = true;
    });
    await fleet.apply(desire(), never);
    expect((await instances()).every(({ address }) => address.host === one.address)).toBe(true);
    await spread(2, 2);
    leave();
    expect(early).toBe(false);
  });

  it('stand in for one that dies, and give it back its part when it is there again', async () => {
    await fleet.apply(desire(), never);
    await spread(2, 2);
    const told: number[] = [];
    const leave = fleet.subscribe((status) =>
      told.push(status.instances.filter(({ state }) => state === 'ready').length),
    );
    await two.die();
    await spread(4, 0);
    leave();
    // The two that were left never stopped answering.
    expect(Math.min(...told)).toBeGreaterThanOrEqual(2);
    expect(await fleet.limitations()).toEqual([expect.stringMatching(/^Host two is away/)]);
    await two.comeBack();
    await spread(2, 2);
    await reach(async () => (await containers(one)) === 2 && (await containers(two)) === 2, 'nothing left over');
    expect(await fleet.limitations()).toEqual([]);
  }, 150_000);

  it('are opened though one is away; what is removed meanwhile is gone there too when it comes back', async () => {
    await fleet.apply(desire({ instances: 2 }), never);
    await spread(1, 1);
    await fleet.close();
    await two.die();
    fleet = await open();
    await spread(2, 0);
    await fleet.remove(desire().ref, never);
    expect(await instances()).toEqual([]);
    await two.comeBack();
    await reach(async () => (await containers(two)) === 0, 'nothing on two');
    await reach(async () => (await fleet.observe(never)).length === 0, 'no slot');
  }, 150_000);

  it('that are all away, and folders of this machine, are refused with what to do', async () => {
    const shared = desire({ folders: [stateDir] });
    await expect(fleet.reserve(shared, 4, never)).rejects.toMatchObject({ hint: expect.stringContaining('S3') });
    await fleet.close();
    await one.die();
    await two.die();
    fleet = await open();
    const refused = await fleet.reserve(desire(), 4, never).catch((error: unknown) => error);
    await one.comeBack();
    await two.comeBack();
    expect(refused).toBeInstanceOf(CapacityError);
    expect(String(refused)).toMatch(/one: .*two: /);
  }, 150_000);
});
