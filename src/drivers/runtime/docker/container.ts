import type { SlotDesire } from '../runtime.ts';
import { SECRETS_FOLDER, startedBy } from './starter.ts';

/** Who containers run as, as images have it. */
export const CONTAINER_USER = 10_001;

export interface ContainerWanted {
  readonly image: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly network: string;
  /** Its address in the network; null: any. */
  readonly host: string | null;
  /** Ports that are reached at an address of the Docker host; null: none. */
  readonly published: { readonly address: string; readonly ports: readonly number[] } | null;
  readonly folders: readonly string[];
  readonly limits: SlotDesire['limits'];
  readonly attachOutput: boolean;
}

/** Processes and threads of one container. */
const PIDS = 4_096;
const TEMPORARY = `rw,nosuid,nodev,mode=1777`;

/**
 * What the Engine is told of a container: a root file system that cannot be written, no capability, no way to more rights, a
 * user that is not root, limits, temporary files and secrets in memory, bounded logs, and a first process that passes signals
 * on and buries orphans.
 *
 * @see https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
 */
export const containerBody = (wanted: ContainerWanted): Readonly<Record<string, unknown>> => ({
  Image: wanted.image,
  Cmd: startedBy(wanted.command),
  Entrypoint: null,
  Healthcheck: { Test: ['NONE'] },
  ExposedPorts: Object.fromEntries((wanted.published?.ports ?? []).map((port) => [`${port}/tcp`, {}])),
  Labels: wanted.labels,
  User: `${CONTAINER_USER}:${CONTAINER_USER}`,
  AttachStdin: true,
  AttachStdout: wanted.attachOutput,
  AttachStderr: wanted.attachOutput,
  OpenStdin: true,
  StdinOnce: true,
  Tty: false,
  HostConfig: {
    Init: true,
    NetworkMode: wanted.network,
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    PidsLimit: PIDS,
    RestartPolicy: { Name: 'no' },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
    PortBindings: Object.fromEntries(
      (wanted.published?.ports ?? []).map((port) => [
        `${port}/tcp`,
        [{ HostIp: wanted.published?.address ?? '', HostPort: String(port) }],
      ]),
    ),
    Tmpfs: {
      '/tmp': TEMPORARY,
      [SECRETS_FOLDER]: `rw,nosuid,nodev,noexec,size=4m,mode=0700,uid=${CONTAINER_USER},gid=${CONTAINER_USER}`,
    },
    Binds: wanted.folders.map((folder) => `${folder}:${folder}:rw`),
    ...(wanted.limits.memory === null ? {} : { Memory: wanted.limits.memory, MemorySwap: wanted.limits.memory }),
    ...(wanted.limits.cpus === null ? {} : { NanoCpus: Math.round(wanted.limits.cpus * 1e9) }),
  },
  NetworkingConfig: {
    EndpointsConfig: {
      [wanted.network]: wanted.host === null ? {} : { IPAMConfig: { IPv4Address: wanted.host } },
    },
  },
});

/** Variables that every container has, besides those of its image; declared ones win. */
export const containerEnvironment: Readonly<Record<string, string>> = {
  HOME: '/tmp',
  TMPDIR: '/tmp',
};
