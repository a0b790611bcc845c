import { interfacesWithin } from '../../../core/units/route-listing.ts';
import { DockerNetworkError } from '../../../errors.ts';
import type { DockerClient } from './api/client.ts';
import { environmentLabels, type Place } from './labels.ts';

export const networkName = ({ platform, environment }: Place): string => `veza-${platform}-${environment}`;

export interface NetworkWanted {
  readonly client: DockerClient;
  readonly place: Place;
  /** Null: whatever the Engine chooses. */
  readonly subnet: string | null;
  /** The address in it that is the Docker host. */
  readonly machine: string;
  /** The Docker host's routes as Linux lists them; empty where they cannot be seen. */
  readonly routes: string;
}

/**
 * The environment's own bridge network, made when it is not there. One with another subnet, left from before the declaration
 * changed, is replaced while nothing is in it.
 *
 * @throws DockerNetworkError when the subnet belongs to somebody else, or the network still has containers
 */
export async function ensureNetwork(wanted: NetworkWanted, signal: AbortSignal): Promise<string> {
  const { client, place, subnet, machine, routes } = wanted;
  const name = networkName(place);
  const found = await client.findNetwork(name, signal);
  if (found !== null) {
    const has = found.IPAM.Config?.[0]?.Subnet ?? 'none';
    if (subnet === null) return name;
    if (has === subnet) {
      checkAlone(name, subnet, routes, found.Id);
      return name;
    }
    if (Object.keys(found.Containers ?? {}).length > 0)
      throw new DockerNetworkError(name, `it has the subnet ${has}, not ${subnet}, and containers that run in it`);
    await client.removeNetwork(found.Id, signal);
  }
  if (subnet !== null) checkAlone(name, subnet, routes, null);
  try {
    await client.createNetwork(
      {
        Name: name,
        CheckDuplicate: true,
        Driver: 'bridge',
        ...(subnet === null ? {} : { IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: machine }] } }),
        Labels: environmentLabels(place),
      },
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    throw new DockerNetworkError(name, error instanceof Error ? error.message : String(error));
  }
  return name;
}

/** Takes the network away when nothing is in it. */
export async function removeNetwork(client: DockerClient, place: Place, signal: AbortSignal): Promise<void> {
  const found = await client.findNetwork(networkName(place), signal);
  if (found !== null && Object.keys(found.Containers ?? {}).length === 0) await client.removeNetwork(found.Id, signal);
}

/**
 * An Engine knows its own networks only: the bridge of another one, or of one that is gone, may have the same addresses. Then this
 * machine's packets go to whichever came first, and instances seem to hang.
 */
function checkAlone(name: string, subnet: string, routes: string, own: string | null): void {
  const ownBridge = own === null ? null : `br-${own.slice(0, BRIDGE_DIGITS)}`;
  const others = interfacesWithin(routes, subnet).filter((each) => each !== ownBridge);
  if (others.length === 0) return;
  const which = others.length === 1 ? `the interface ${others[0]} has` : `the interfaces ${others.join(', ')} have`;
  const gone = `ip link delete ${others[0]}`;
  throw new DockerNetworkError(
    name,
    `${which} addresses of ${subnet} too (left by an Engine that is gone? \`${gone}\`)`,
  );
}

/** So many digits of a network's id make the name of its bridge. */
const BRIDGE_DIGITS = 12;
