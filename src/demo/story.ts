import { kill } from 'node:process';
import { ApiClient } from '../api/client.ts';
import { controlSocketPath } from '../api/local-socket.ts';
import type { DeploymentView } from '../api/schemas.ts';
import { startDetached } from '../cli/control-process.ts';
import { followDeployment } from '../cli/follow.ts';
import { liveDisplay, type Live } from '../cli/live.ts';
import { hasEnded, outcomeLines } from '../cli/render/deployment.ts';
import { countText, durationText } from '../cli/render/numbers.ts';
import { paint, sign } from '../cli/render/style.ts';
import type { Terminal } from '../cli/terminal.ts';
import { type Change, type DemoProject, type PlatformService } from './project.ts';
import { costsOf, difference, type Costs, type SceneResult } from './scoreboard.ts';
import { noTraffic, Traffic } from './traffic.ts';

/** Things that people do per second; most are several requests. */
const ACTIONS_PER_SECOND = 40;
const SEED = { size: 'demo', seed: '1' };
const PATIENCE_MS = 60_000;

export interface Shipment {
  readonly title: string;
  readonly version: string;
  readonly services: readonly PlatformService[];
  readonly changes: readonly Change[];
  readonly strategy: 'canary' | 'blue-green' | null;
  readonly train: boolean;
  /** Phase in which it must end. */
  readonly expect: 'live' | 'reverted';
  /** Something done to it while it goes on. */
  readonly during?: (view: DeploymentView) => Promise<void>;
}

export interface Shipped {
  readonly view: DeploymentView;
  /** What was built, as the router names it in answers. */
  readonly releases: readonly string[];
  /** Seconds from the first share of traffic to stable at 100 %; null when it had none, or was not taken back. */
  readonly exposedSeconds: number | null;
}

/** The demo's scenes, played with the same API that the CLI uses. */
export class Story {
  readonly #project: DemoProject;
  readonly #terminal: Terminal;
  readonly #signal: AbortSignal;
  readonly #client: ApiClient;
  readonly #labels = new Map<string, string>();
  readonly scenes: SceneResult[] = [];
  #traffic: Traffic | null = null;
  #live: Live | null = null;
  #number = 0;

  constructor(project: DemoProject, terminal: Terminal, signal: AbortSignal) {
    this.#project = project;
    this.#terminal = terminal;
    this.#signal = signal;
    this.#client = new ApiClient({
      socketPath: controlSocketPath(project.stateDir),
      stateDir: project.stateDir,
      by: 'demo',
    });
  }

  /** Starts the control plane (again). */
  async up(): Promise<void> {
    const { dir, stateDir } = this.#project;
    this.#command('veza up');
    const started = performance.now();
    await startDetached({ dir, stateDir }, { signal: this.#signal, onProgress: (text) => this.#detail(text) });
    const info = await this.#client.call('info', {}, { signal: this.#signal });
    this.#done(`control plane up (pid ${info.pid}) after ${durationText(performance.now() - started)}`);
  }

  /** Fills the platform with people, music and messages: the same on every machine. */
  async seed(): Promise<void> {
    const command = ['node', 'seed.js', '--size', SEED.size, '--seed', SEED.seed] as const;
    this.#command(`veza run api -- ${command.join(' ')}`);
    const output: Buffer[] = [];
    const { exitStatus } = await this.#client.stream(
      'run',
      { body: { environment: null, service: 'api', release: null, command: [...command] } },
      { signal: this.#signal, onItem: ({ base64 }) => void output.push(Buffer.from(base64, 'base64')) },
    );
    const lines = Buffer.concat(output).toString('utf8').trim().split('\n');
    for (const line of exitStatus === 0 ? lines.slice(-1) : lines.slice(-20)) this.#detail(line);
    if (exitStatus !== 0) throw new Error(`the seed ended with status ${exitStatus}`);
  }

  /** People use the platform from now on, and check every answer they get. */
  startTraffic(): Traffic {
    this.#heading('people, from now on');
    this.#traffic = new Traffic(this.#project.url, [
      '--rate',
      String(ACTIONS_PER_SECOND),
      '--people',
      '64',
      '--seeded',
      `${SEED.size}:${SEED.seed}`,
    ]);
    this.#detail(
      `${ACTIONS_PER_SECOND} things a second on average, whatever becomes of those before: log in, discover, search,`,
    );
    this.#detail(
      'play by ranges and HLS, upload in parts, keep playlists; two chat rooms of four, connected all the time.',
    );
    this.#detail('Every answer is checked: own data, every byte of audio, every message once and in order.');
    return this.#traffic;
  }

  /** Commits, builds and deploys a version, and shows how it goes. */
  async ship(shipment: Shipment): Promise<Shipped> {
    this.#heading(shipment.title);
    const before = this.#costs();
    const started = performance.now();
    const { services, version, strategy, train } = shipment;
    await this.#project.commit(version, shipment.changes);
    this.#command(
      `veza deploy ${services.join(' ')}${train ? ' --train' : ''}${strategy === null ? '' : ` --strategy ${strategy}`}`,
    );
    const ids = await this.#build(services);
    const { deployments } = await this.#client.call('deploy', {
      body: { releases: ids, strategy, order: train ? 'together' : 'separate' },
    });
    const [deployment] = deployments;
    if (deployment === undefined) throw new Error(`${version} changed nothing`);
    const shipped = { ...(await this.#follow(deployment.id, shipment)), releases: ids };
    const isLive = shipped.view.committedAt !== null;
    this.#finish(shipment, isLive, (performance.now() - started) / 1_000, before);
    return shipped;
  }

  /** kill -9 in the middle, then a new control plane: the data plane does not notice. */
  async killControlPlane(): Promise<void> {
    const { pid } = await this.#client.call('info', {});
    const before = this.#costs();
    this.#command(`kill -9 ${pid}`);
    kill(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const { requests, lost } = difference(before, this.#costs());
    this.#detail(`2 s without a control plane: ${countText(requests)} requests answered, ${lost} lost`);
    await this.up();
  }

  async down(): Promise<void> {
    await this.#client.stream('down', { body: {} }, { onItem: () => {} });
    await this.#client.close();
  }

  async #build(services: readonly string[]): Promise<readonly string[]> {
    const output: string[] = [];
    try {
      const { releases } = await this.#client.stream(
        'build',
        { body: { services } },
        {
          signal: this.#signal,
          onItem: ({ service, stage, text }) => {
            if (stage === 'output') output.push(text);
            else if (stage === 'command') this.#detail(`${service}: ${text}`);
          },
        },
      );
      for (const { id, service, subject } of releases) this.#labels.set(id, `${service} ${subject}`);
      return releases.map(({ id }) => id);
    } catch (error) {
      for (const line of output.slice(-20)) this.#detail(line);
      throw error;
    }
  }

  async #follow(id: string, shipment: Shipment): Promise<Omit<Shipped, 'releases'>> {
    const live = liveDisplay(this.#terminal, Date.now, this.#labels);
    this.#live = live;
    const shown = once(() => {
      this.#live = null;
      live.end();
    });
    let exposedAt: number | null = null;
    let backAt: number | null = null;
    const disturbances: Promise<void>[] = [];
    const onView = (view: DeploymentView): void => {
      const weight = Math.max(0, ...view.legs.map((leg) => leg.weight));
      if (weight > 0) exposedAt ??= Date.now();
      if (weight === 0 && exposedAt !== null && view.reason !== null) backAt ??= Date.now();
      live.update(view);
      if (shipment.during !== undefined && view.phase === 'stepping' && view.step === 1 && view.stage === 'holding') {
        if (disturbances.length === 0) disturbances.push(shipment.during(view));
      }
    };
    try {
      const view = await followDeployment(this.#client, id, {
        signal: this.#signal,
        now: Date.now,
        patienceMs: PATIENCE_MS,
        until: (seen) => hasEnded(seen) || seen.committedAt !== null,
        onView,
        onAway: (since) => live.away(since),
      });
      await Promise.all(disturbances);
      shown.end();
      // Indented by two.
      const style = { ...this.#terminal.style, width: this.#terminal.style.width - 2 };
      for (const line of outcomeLines(view, { style, now: Date.now(), labels: this.#labels }))
        this.#terminal.out(`  ${line}`);
      return { view, exposedSeconds: exposedAt === null || backAt === null ? null : (backAt - exposedAt) / 1_000 };
    } finally {
      shown.end();
    }
  }

  #finish(shipment: Shipment, isLive: boolean, seconds: number, before: Costs): void {
    const counts = difference(before, this.#costs());
    const good = isLive === (shipment.expect === 'live');
    this.scenes.push({
      title: shipment.title,
      outcome: isLive ? 'live' : 'taken back',
      good,
      seconds,
      ...counts,
    });
    if (this.#traffic === null) return;
    const { requests, lost, wrong, loggedOut, failedByRelease } = counts;
    this.#detail(
      `meanwhile: ${countText(requests)} requests, ${lost} lost, ${wrong} wrong, ${loggedOut} logged out, ` +
        `${failedByRelease} failed by the release`,
    );
  }

  #costs(): Costs {
    return costsOf(this.#traffic?.snapshot() ?? noTraffic);
  }

  #heading(text: string): void {
    this.#number += 1;
    const { style } = this.#terminal;
    this.#terminal.out('');
    this.#terminal.out(`${paint(style, 'cyan', String(this.#number))}  ${paint(style, 'bold', text)}`);
  }

  /** Above the live display while there is one. */
  #say(line: string): void {
    if (this.#live === null) this.#terminal.out(line);
    else this.#live.say(line);
  }

  #command(text: string): void {
    this.#say(`   ${paint(this.#terminal.style, 'dim', '$')} ${text}`);
  }

  #detail(text: string): void {
    this.#say(paint(this.#terminal.style, 'dim', `   ${text}`));
  }

  #done(text: string): void {
    this.#say(`   ${paint(this.#terminal.style, 'green', sign(this.#terminal.style, 'done'))} ${text}`);
  }
}

/** A display that is left once, by whichever way comes first. */
function once(end: () => void): { readonly end: () => void } {
  let ended = false;
  return {
    end: () => {
      if (!ended) end();
      ended = true;
    },
  };
}
