import type { DeploymentView } from '../../src/api/schemas.ts';
import { followDeployment } from '../../src/cli/follow.ts';
import { askGateway } from '../../src/drivers/router/gateway/control-client.ts';
import { controlSocket } from '../../src/drivers/router/gateway/gateway-process.ts';
import { startLoad, type LoadRun } from '../../src/load/load.ts';
import { isClean, type LoadReport } from '../../src/load/report.ts';
import { services, TwoWebs, type Kill, type Service } from './two-webs.ts';

export type Subject = 'blue-green' | 'canary' | 'train';

// Nothing is bad here, and an analysis that sees a busy machine must not take it for a bad release.
const common = {
  watch: '500ms',
  keepWarm: '0ms',
  limits: { minSuccess: '90%', maxP99: '9s', minRequests: 20 },
  deadlines: { starting: '60s' },
};
const strategyOf: Readonly<Record<Subject, Readonly<Record<string, unknown>>>> = {
  'blue-green': { kind: 'blue-green', ...common },
  canary: {
    kind: 'canary',
    steps: [
      { weight: 25, hold: '0ms' },
      { weight: 50, hold: '500ms' },
    ],
    ...common,
  },
  train: { kind: 'canary', steps: [{ weight: 50, hold: '500ms' }], ...common },
};

/** Deployments that are tried until one has as many appends as the undisturbed one had. */
const MOST_TRIES = 5;

export interface FaultRun {
  readonly kill: Kill;
  /** What was appended (after) or was about to be (before). */
  readonly append: string;
  /** What is wrong with how it ended; empty when nothing is. */
  readonly faults: readonly string[];
  readonly lost: number;
  readonly wrong: number;
  /** From the start of the next control plane until nothing was left to do. */
  readonly recoverySeconds: number;
}

export interface FaultReport {
  readonly subject: Subject;
  /** Appends of one undisturbed deployment. */
  readonly appends: number;
  readonly runs: readonly FaultRun[];
  readonly loads: readonly LoadReport[];
  readonly clean: boolean;
  readonly seconds: number;
}

export interface FaultOptions {
  readonly subject: Subject;
  /** Requests per second to each service. */
  readonly rate: number;
  /** First and last append to be killed at; all of them when absent. */
  readonly from?: number;
  readonly to?: number;
  readonly log: (line: string) => void;
}

/** Kills the control plane right before and right after every append of a deployment, and looks at what becomes of it. */
export async function killAtEveryAppend({ subject, rate, from, to, log }: FaultOptions): Promise<FaultReport> {
  const began = performance.now();
  const platform = await TwoWebs.create(strategyOf[subject]);
  const loads: LoadRun[] = [];
  try {
    await platform.up(null);
    const releases = [await platform.build('a'), await platform.build('b')] as const;
    const scene = new Scene(platform, subject, releases, loads);
    await scene.deployFirst();
    for (const service of services) {
      loads.push(
        startLoad({
          target: platform.url,
          host: `${service}.local`,
          rate,
          mix: { echo: 1, chain: 0, post: 0, read: 0 },
          uploadEveryMs: 1_000,
          uploadBytes: 500_000,
          eventStreams: 2,
          webSockets: 2,
        }),
      );
    }
    const appends = await scene.undisturbed();
    log(`${subject}: ${appends} appends`);
    const runs: FaultRun[] = [];
    // One more than there are: how often slots are observed differs from run to run.
    const kills: Kill[] = [];
    for (let at = from ?? 1; at <= (to ?? appends + 2); at += 1)
      kills.push({ at, side: 'before' }, { at, side: 'after' });
    for (const [index, kill] of kills.entries()) {
      const { at, side } = kill;
      // How often slots are observed differs: a deployment that was over too soon has not shown what happens here.
      const mostTries = at <= appends ? MOST_TRIES : 1;
      let result: FaultRun | null = null;
      for (let tries = 0; result === null && tries < mostTries; tries += 1) {
        result = await scene.killAt(kill, kills[index + 1] ?? null);
      }
      if (result === null) {
        log(`${subject} ${side} ${at}: this deployment had fewer appends`);
        continue;
      }
      runs.push(result);
      const { faults, lost, wrong, recoverySeconds } = result;
      log(
        `${subject} ${side.padEnd(6)} ${String(at).padStart(2)} ${result.append.padEnd(44)} ` +
          `recovered in ${recoverySeconds.toFixed(1)} s, ${lost} lost, ${wrong} wrong ${faults.join('; ')}`,
      );
    }
    const reports = await Promise.all(loads.map((load) => load.stop()));
    // Messages are not part of this traffic, so there is nothing that was acknowledged.
    const clean = reports.every((report) =>
      isClean({ ...report, acknowledged: { ...report.acknowledged, complete: true } }),
    );
    return { subject, appends, runs, loads: reports, clean, seconds: (performance.now() - began) / 1_000 };
  } catch (error) {
    log(await platform.log(20));
    throw error;
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await platform.remove();
  }
}

class Scene {
  readonly #platform: TwoWebs;
  readonly #subject: Subject;
  readonly #releases: readonly [Readonly<Record<Service, string>>, Readonly<Record<Service, string>>];
  readonly #loads: readonly LoadRun[];
  /** Index of the releases that are live. */
  #live = 0;
  /** How the control plane that runs shall die at its next deployment. */
  #armed: Kill | null = null;

  constructor(
    platform: TwoWebs,
    subject: Subject,
    releases: readonly [Readonly<Record<Service, string>>, Readonly<Record<Service, string>>],
    loads: readonly LoadRun[],
  ) {
    this.#platform = platform;
    this.#subject = subject;
    this.#releases = releases;
    this.#loads = loads;
  }

  async deployFirst(): Promise<void> {
    const { web, shop } = this.#releases[0];
    const { deployments } = await this.#platform.client.call('deploy', {
      body: { releases: [web, shop], order: 'together' },
    });
    for (const { id } of deployments) await this.#follow(id);
  }

  /** One deployment that nobody disturbs. Returns how many appends it took. */
  async undisturbed(): Promise<number> {
    await this.#restart(null);
    const id = await this.#deploy();
    const view = await this.#follow(id);
    if (view.phase !== 'succeeded') throw new Error(`undisturbed it ended ${view.phase}: ${view.summary}`);
    this.#live = 1 - this.#live;
    return (await this.#platform.notes()).length;
  }

  /**
   * Null when the deployment was over before it came to that append.
   *
   * @param next how the control plane that recovers shall die, once its turn to deploy has come
   */
  async killAt(kill: Kill, next: Kill | null): Promise<FaultRun | null> {
    const platform = this.#platform;
    if (this.#armed !== kill) await this.#restart(kill);
    const before = this.#counts();
    const last = await this.#lastDeployment();
    let requested: string | null = null;
    try {
      requested = await this.#deploy();
      const view = await this.#follow(requested, () => platform.isDown);
      if (!platform.isDown && view.phase === 'succeeded') {
        this.#live = 1 - this.#live;
        this.#armed = null;
        return null;
      }
    } catch (error) {
      // The connection breaks: that is what a killed control plane looks like.
      await until(10_000, () => Promise.resolve(platform.isDown)).catch(() => {
        throw error;
      });
    }
    const append = (await platform.notes()).at(-1) ?? '';
    const restarted = performance.now();
    await platform.up(next);
    this.#armed = next;
    const faults = await this.#end(kill, last, append);
    const recoverySeconds = (performance.now() - restarted) / 1_000;
    const after = this.#counts();
    return {
      kill,
      append: append.replace(/^\d+ /, ''),
      faults,
      lost: after.lost - before.lost,
      wrong: after.wrong - before.wrong,
      recoverySeconds,
    };
  }

  /** Waits until nothing is under way, and says what is not as it must be. */
  async #end(kill: Kill, last: string | null, append: string): Promise<readonly string[]> {
    const { client } = this.#platform;
    const faults: string[] = [];
    const latest = await this.#lastDeployment();
    const isThere = latest !== last;
    const mustBeThere = !(kill.at === 1 && kill.side === 'before');
    if (append.startsWith('1 ') !== (kill.at === 1)) faults.push(`killed at "${append}"`);
    if (isThere !== mustBeThere)
      faults.push(isThere ? 'a deployment that was not recorded is there' : 'it is not there');
    if (isThere && latest !== null) {
      const view = await this.#follow(latest);
      if (view.phase === 'succeeded') this.#live = 1 - this.#live;
      else faults.push(`ended ${view.phase}: ${view.reason?.text ?? ''}`);
    }
    const active = await client.call('deployments', { query: { active: true } });
    if (active.length > 0) faults.push(`${active.length} deployments are active still`);
    faults.push(...(await this.#routeFaults()), ...(await this.#instanceFaults()));
    const checks = await client.call('doctor', {});
    const journal = checks.find(({ name }) => name === 'journal');
    if (journal?.text.endsWith('chain intact') !== true) faults.push(`journal: ${journal?.text ?? 'not checked'}`);
    return faults;
  }

  /** What the gateway itself has in force. */
  async #routeFaults(): Promise<readonly string[]> {
    const faults: string[] = [];
    const socket = await controlSocket(`${this.#platform.stateDir}/environments/development`);
    const answer = await askGateway(socket, { kind: 'observe' }, 5_000, AbortSignal.timeout(5_000));
    const routes = answer.kind === 'table' ? answer.routes : [];
    for (const service of services) {
      const entry = routes.find((route) => route.entry.service === service)?.entry;
      if (entry === undefined) {
        faults.push(`${service} has no route`);
        continue;
      }
      const { stable, releases, endpoints, candidateWeight } = entry;
      const other = stable === 'blue' ? 'green' : 'blue';
      if (candidateWeight !== 0) faults.push(`${service}: candidate has ${candidateWeight} %`);
      if (releases[stable] !== this.#liveRelease(service)) faults.push(`${service}: stable is ${releases[stable]}`);
      if (endpoints[stable].length !== 2) faults.push(`${service}: ${endpoints[stable].length} stable endpoints`);
      if (endpoints[other].length !== 0) faults.push(`${service}: ${endpoints[other].length} candidate endpoints`);
    }
    return faults;
  }

  async #instanceFaults(): Promise<readonly string[]> {
    const faults: string[] = [];
    const status = await this.#platform.client.call('status', { query: {} });
    const known = status.services.flatMap(({ instances }) => instances);
    for (const view of status.services) {
      const { service, stable, ready, instances, deployment } = view;
      if (stable?.release !== this.#liveRelease(service as Service))
        faults.push(`${service} is at ${stable?.release ?? '-'}`);
      if (ready !== 2 || instances.length !== 2)
        faults.push(`${service}: ${ready} ready of ${instances.length}, not 2 of 2`);
      if (deployment !== null) faults.push(`${service} is in ${deployment}`);
    }
    // What runs is what is known, nothing more: no instance was leaked by the crash.
    const pids = await this.#platform.instancePids();
    const leaked = pids.filter((pid) => !known.some((instance) => instance.pid === pid));
    if (leaked.length > 0) faults.push(`processes that nobody knows: ${leaked.join(', ')}`);
    if (pids.length < known.length) faults.push(`${known.length} instances known, ${pids.length} processes`);
    return faults;
  }

  #liveRelease(service: Service): string | undefined {
    return this.#releases[service === 'web' || this.#subject === 'train' ? this.#live : 0]?.[service];
  }

  async #restart(kill: Kill | null): Promise<void> {
    await this.#platform.kill();
    await this.#platform.up(kill);
  }

  async #deploy(): Promise<string> {
    const target = this.#releases[this.#live === 0 ? 1 : 0];
    const train = this.#subject === 'train';
    const { deployments } = await this.#platform.client.call('deploy', {
      body: { releases: train ? [target.web, target.shop] : [target.web], order: train ? 'together' : 'separate' },
    });
    const [deployment] = deployments;
    if (deployment === undefined) throw new Error('there was nothing to deploy');
    return deployment.id;
  }

  async #lastDeployment(): Promise<string | null> {
    const [latest] = await this.#platform.client.call('deployments', { query: { limit: 1 } });
    return latest?.id ?? null;
  }

  #follow(id: string, until: (view: DeploymentView) => boolean = () => false): Promise<DeploymentView> {
    return followDeployment(this.#platform.client, id, {
      signal: AbortSignal.timeout(60_000),
      now: Date.now,
      patienceMs: 0,
      onAway: () => {},
      onView: () => {},
      until,
    });
  }

  #counts(): { readonly lost: number; readonly wrong: number } {
    const all = this.#loads.map((load) => load.snapshot());
    const sum = (of: (one: { lost: number; wrong: number }) => number): number =>
      all.reduce((total, one) => total + of(one), 0);
    return { lost: sum((one) => one.lost), wrong: sum((one) => one.wrong) };
  }
}

async function until(withinMs: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
