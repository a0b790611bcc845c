import { listenVariable } from '../../../core/emit/haproxy/text.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import { bindSocket, type SocketHandle } from '../../../system/bind-socket.ts';

interface HeldSocket {
  readonly variable: string;
  readonly handle: SocketHandle;
}

/** By state folder: whoever stops an HAProxy must let go of its sockets, or clients would wait for nobody. */
const held = new Map<string, readonly HeldSocket[]>();

/**
 * The public sockets of a folder's HAProxy, opened once and kept by this process: HAProxy inherits them, so that connections
 * wait in their queue while it is started again, instead of being refused. A socket that cannot be opened is left to HAProxy,
 * which says why.
 *
 * @returns what the configuration calls them, and their file descriptors
 */
export async function holdSockets(
  folder: string,
  settings: GatewaySettings,
): Promise<readonly { readonly variable: string; readonly fd: number }[]> {
  const present = held.get(folder) ?? [];
  const wanted = [settings.http, ...(settings.https === null ? [] : [settings.https])];
  const next: HeldSocket[] = [];
  for (const { host, port } of wanted) {
    const variable = listenVariable(host, port);
    const same = present.find((socket) => socket.variable === variable);
    const handle = same?.handle ?? (await bind(host, port));
    if (handle !== null) next.push({ variable, handle });
  }
  for (const { handle } of present) if (!next.some((socket) => socket.handle === handle)) handle.close();
  held.set(folder, next);
  return next.map(({ variable, handle }) => ({ variable, fd: handle.fd }));
}

/** Lets go of them: with HAProxy gone, too, connections are refused. */
export function releaseSockets(folder: string): void {
  for (const { handle } of held.get(folder) ?? []) handle.close();
  held.delete(folder);
}

async function bind(host: string, port: number): Promise<SocketHandle | null> {
  const bound = await bindSocket(host, port);
  return typeof bound === 'number' ? null : bound.handle;
}
