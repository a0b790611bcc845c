import { BenchPlatform, type Deployed } from '../machine/platform.ts';

/** Answers at once; says when its process began and when it listened; fails as its release says. */
const server = (version: string, failShare: number): string => `
import { createServer } from 'node:http';
const times = { startedAt: performance.timeOrigin, listeningAt: 0 };
createServer((request, response) => {
  if (request.url === '/times') return void response.end(JSON.stringify(times));
  const fails = request.url === '/' && Math.random() < ${failShare};
  response.writeHead(fails ? 500 : 200, { 'content-type': 'text/plain' }).end('${version}');
}).listen(Number(process.env.PORT), process.env.HOST, () => {
  times.listeningAt = performance.timeOrigin + performance.now();
});
process.on('SIGTERM', () => process.exit(0));
`;

export interface ProcessTimes {
  /** UTC milliseconds, as the instance itself knows them. */
  readonly startedAt: number;
  readonly listeningAt: number;
}

const declared =
  (strategy: Readonly<Record<string, unknown>>) =>
  (port: number): Readonly<Record<string, unknown>> => ({
    name: 'bench',
    services: {
      web: {
        source: 'web',
        run: 'node server.mjs',
        instances: 2,
        health: { path: '/health', stableFor: '0ms' },
        route: { paths: ['/'] },
        proxy: { drain: '0ms' },
        strategy: { keepWarm: '0ms', limits: { minSuccess: '99%', maxP99: '5s', minRequests: 20 }, ...strategy },
      },
    },
    environments: {
      development: {
        target: { kind: 'process', listen: `127.0.0.1:${port}`, ports: '23500-23599' },
        gates: { idle: 'pause' },
      },
    },
  });

/** One service of two instances. */
export class SmallPlatform {
  readonly #platform: BenchPlatform;

  private constructor(platform: BenchPlatform) {
    this.#platform = platform;
  }

  static async start(signal: AbortSignal): Promise<SmallPlatform> {
    const files = { 'web/server.mjs': server('v0', 0) };
    const platform = declared({ kind: 'blue-green', watch: '1s' });
    return new SmallPlatform(await BenchPlatform.start({ platform, files }, signal));
  }

  get port(): number {
    return this.#platform.port;
  }

  get stateDir(): string {
    return this.#platform.stateDir;
  }

  declare(strategy: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#platform.declare(declared(strategy)(this.port));
  }

  /** @param failShare share of requests that the release fails, 0 to 1 */
  async build(version: string, failShare: number, signal: AbortSignal): Promise<string> {
    const releases = await this.#platform.build(
      version,
      { 'web/server.mjs': server(version, failShare) },
      ['web'],
      signal,
    );
    return releases.get('web') ?? '';
  }

  /** Deploys a release and waits for the end of it. */
  deploy(release: string, signal: AbortSignal): Promise<Deployed> {
    return this.#platform.deploy(release, signal);
  }

  /** What the running instances say about their own starts. */
  async instanceTimes(): Promise<readonly ProcessTimes[]> {
    const { services } = await this.#platform.client.call('status', { query: {} });
    const addresses = services.flatMap(({ instances }) => instances.map(({ address }) => address));
    return Promise.all(
      addresses.map(async (address) => (await (await fetch(`http://${address}/times`)).json()) as ProcessTimes),
    );
  }

  stop(): Promise<void> {
    return this.#platform.stop();
  }
}
