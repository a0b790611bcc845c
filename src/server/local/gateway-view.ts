import { join } from 'node:path';
import type { GatewayProgressView, GatewayView } from '../../api/schemas.ts';
import type { GatewayHealth } from '../../core/gateway-control.ts';
import { controlSocket, findGateway } from '../../drivers/router/gateway/gateway-process.ts';
import { GatewayUnreachableError, UnknownNameError } from '../../errors.ts';
import type { EnvironmentGateway } from './environment-router.ts';
import type { RouterEdge } from './router-edge.ts';

/** Milliseconds that a gateway has to say how it is. */
const askMs = 10_000;
/** Milliseconds that a router has to say what is wrong with it. */
const warningsMs = 1_000;
/** Milliseconds that certificates have to be ordered. */
const renewMs = 600_000;
/** Milliseconds that a gateway has to be replaced. */
const upgradeMs = 60_000;

export const soon = (): AbortSignal => AbortSignal.timeout(askMs);

export interface OpenGateway {
  readonly gateway: EnvironmentGateway;
  readonly edge: RouterEdge;
  /** What the declaration has to say of it by now; null when it is as declared. */
  readonly outdated: string | null;
}

/** What a gateway says of itself, as the API shows it. @param open - left out when only the gateway was found */
export function gatewayView(
  environment: string,
  health: GatewayHealth,
  open: Omit<OpenGateway, 'gateway'> | null,
): GatewayView {
  const { pid, version, generation, since, listen, https, certificates, services, persisted, warnings } = health;
  return {
    environment,
    haproxy: open?.edge.kind === 'haproxy' ? haproxyView(open.edge) : null,
    pid,
    version,
    generation,
    since,
    http: { host: listen.host, port: listen.port },
    https,
    workers: health.workers.map(({ load, ...worker }) => {
      if (load === null) return { ...worker, load };
      const { inFlight, streams, queued, connections, memoryBytes } = load;
      return { ...worker, load: { inFlight, streams, queued, connections, memoryBytes } };
    }),
    queues: Object.entries(health.queues).map(([service, queued]) => ({ service, queued })),
    certificates,
    services,
    persisted,
    warnings: [...(open === null || open.outdated === null ? [] : [sentence(open.outdated)]), ...warnings],
  };
}

const haproxyView = ({ pid, settings: { http, https } }: RouterEdge): GatewayView['haproxy'] => ({
  pid,
  http,
  https: https && { host: https.host, port: https.port },
});

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The gateway of an environment that this control plane has not opened; it may well carry traffic. */
export const foundGateway = (stateDir: string, environment: string): Pick<EnvironmentGateway, 'health'> => ({
  /** @throws GatewayUnreachableError when none runs */
  async health(signal) {
    const folder = join(stateDir, 'environments', environment);
    const found = await findGateway(folder, signal);
    if (found !== null) return found.health;
    throw new GatewayUnreachableError(await controlSocket(folder), `no gateway runs for ${environment}`);
  },
});

/** What a person must know about the router of an environment; nothing when it does not answer at once. */
export async function routerWarnings(
  environment: string,
  open: { readonly routerWarnings: (signal: AbortSignal) => Promise<readonly string[]> },
): Promise<readonly string[]> {
  try {
    return (await open.routerWarnings(AbortSignal.timeout(warningsMs))).map((text) => `${environment}: ${text}`);
  } catch {
    return [];
  }
}

/** Replaces the gateway of an environment, and says what happens. */
export async function upgradeGateway(
  environment: string,
  open: OpenGateway,
  onProgress: (progress: GatewayProgressView) => void,
): Promise<GatewayView> {
  const { gateway, edge } = open;
  if (edge.kind === 'haproxy') {
    onProgress({
      text: `HAProxy (process ${edge.pid}) is the router and goes on; the gateway that carries its streams is replaced`,
    });
  }
  const before = await gateway.health(soon());
  onProgress({
    text: `generation ${before.generation} (version ${before.version}, process ${before.pid}) is replaced`,
  });
  const after = await gateway.upgrade(AbortSignal.timeout(upgradeMs));
  const active = after.workers.filter(({ state }) => state === 'active').length;
  onProgress({ text: `generation ${after.generation} accepts connections with ${active} of its workers` });
  const retired = after.workers.length - active;
  if (retired > 0) onProgress({ text: `${retired} workers of the old one finish what they carry` });
  return gatewayView(environment, after, open);
}

/**
 * Has certificates of a gateway replaced now: those for a host, or all.
 *
 * @throws UnknownNameError when no certificate is for this host
 */
export async function renewCertificates(
  environment: string,
  open: OpenGateway,
  host: string | null,
  onProgress: (progress: GatewayProgressView) => void,
): Promise<GatewayView> {
  const { gateway } = open;
  const { certificates } = await gateway.health(soon());
  const known = certificates.flatMap(({ hosts }) => hosts);
  const wanted = certificates.filter(({ hosts }) => host === null || hosts.includes(host.toLowerCase()));
  if (wanted.length === 0) throw new UnknownNameError('host with a certificate', host ?? environment, known);
  for (const { source, hosts } of wanted) onProgress({ text: `${verbs[source]} ${hosts.join(' ')}` });
  if (!(await gateway.renew(host, AbortSignal.timeout(renewMs))))
    throw new UnknownNameError('host with a certificate', host ?? environment, known);
  return gatewayView(environment, await gateway.health(soon()), open);
}

const verbs = { acme: 'ordering', development: 'making', files: 'reading' } as const;
