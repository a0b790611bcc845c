import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { listenVariable } from '../../../core/emit/haproxy/text.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';

/** Node's handle of a socket that is bound and that nobody here accepts from. */
interface SocketHandle {
  readonly fd: number;
  close(): void;
  getsockname(out: { port?: number }): number;
}

interface HeldSocket {
  readonly variable: string;
  readonly handle: SocketHandle;
}

// As src/gateway/supervisor/listening-sockets.ts: a `net.Server` would accept connections that nobody serves.
const { _createServerHandle: createServerHandle } = net as unknown as {
  readonly _createServerHandle: (
    address: string,
    port: number,
    addressType: 4 | 6,
    fd: number,
    flags: number,
  ) => SocketHandle | number;
};

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
    const handle = same?.handle ?? (await openSocket(host, port));
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

async function openSocket(host: string, port: number): Promise<SocketHandle | null> {
  const version = net.isIP(host);
  const { address, family } = version > 0 ? { address: host, family: version } : await lookup(host);
  const handle = createServerHandle(address, port, family === 6 ? 6 : 4, -1, 0);
  if (typeof handle === 'number') return null;
  // libuv keeps "address in use" for later; asking for the name brings it out.
  const name: { port?: number } = {};
  if (handle.getsockname(name) === 0 && name.port === port) return handle;
  handle.close();
  return null;
}
