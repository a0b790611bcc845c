import { freeSubnet } from './free-subnet.ts';

/** How the demo's development environment runs. */
interface DemoTarget {
  /** Changes the platform's declaration. */
  readonly declare: (config: string) => string | Promise<string>;
  /** For the first line on the screen. */
  readonly words: string;
}

const DECLARED = "{ kind: 'process', listen: '127.0.0.1:8080', ports: '21000-21399' }";

export const demoTargets = {
  process: { declare: (config) => config, words: 'as processes behind the gateway' },
  docker: { declare: inContainers, words: 'in containers behind HAProxy' },
} as const satisfies Readonly<Record<string, DemoTarget>>;

export const isDemoTarget = (name: string): name is keyof typeof demoTargets => Object.hasOwn(demoTargets, name);

async function inContainers(config: string): Promise<string> {
  if (!config.includes(DECLARED)) throw new Error(`the platform does not declare ${DECLARED} any more`);
  const listen = "listen: '127.0.0.1:8080', ports: '21000-21399', router: 'haproxy'";
  const socket = /^unix:\/\/(\/.+)$/.exec(process.env['DOCKER_HOST'] ?? '')?.[1];
  const where = socket === undefined ? '' : `, socket: ${JSON.stringify(socket)}`;
  return config.replace(DECLARED, `{ kind: 'docker', ${listen}${where}, subnet: '${await freeSubnet()}' }`);
}
