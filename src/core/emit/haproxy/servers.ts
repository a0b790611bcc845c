import type { Endpoint, RouteTableEntry } from '../../route-table.ts';
import { otherSlot, type Slot } from '../../slot.ts';

/** A server of a backend as it must be. */
export interface Server {
  readonly backend: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Takes requests only while no server of the own slot can be reached. */
  readonly backup: boolean;
  /** Whether it may have traffic at all. */
  readonly enabled: boolean;
}

/**
 * Two backends a slot: requests that may be sent twice use kept connections, all others a connection of their own, so that
 * an instance that closes an idle connection never takes a POST with it.
 */
export const backendVariants = ['', '.once'] as const;

export const backendName = (service: string, slot: Slot, variant: (typeof backendVariants)[number]): string =>
  `${service}.${slot}${variant}`;

/** Where questions go that the built-in gateway may copy. Instances are in it only while the service is mirrored. */
export const copiedBackend = (service: string): string => `${service}.copied`;

/** The built-in gateway among the servers of that backend; no instance can have this name. */
export const copyingServer = 'copies:gateway';

/** Of the cookie that remembers a user's place; as in the built-in gateway. */
export const cookieName = (service: string): string => `veza_${service.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`;

/** Of an instance of the other slot, which saves requests that the own slot cannot serve. */
export const rescuePrefix = 'other:';

/** HAProxy's names are letters, digits and `-_.:`; another id is written with the codes of its odd characters. */
export const serverName = (id: string): string =>
  id.replaceAll(/[^A-Za-z0-9_.-]/g, (character) => `:${character.codePointAt(0)?.toString(16) ?? ''}:`);

/** The id of an instance again. */
export const instanceOf = (name: string): string =>
  name.replaceAll(/:([0-9a-f]+):/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)));

/** Keywords of every server: one refused connection takes it out, one that opens, tried each second, brings it back. */
export const serverOptions =
  'check inter 60s fastinter 1s downinter 1s fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down';

/** All servers of a service, in the order of the configuration. */
export function serversOf(entry: RouteTableEntry): readonly Server[] {
  const slots: readonly Slot[] = ['blue', 'green'];
  const direct = slots.flatMap((slot) =>
    backendVariants.flatMap((variant) => {
      const backend = backendName(entry.service, slot, variant);
      const other = otherSlot(slot);
      // A candidate at weight 0 is untested or was found bad: it saves nobody.
      const rescues = other === entry.stable || entry.candidateWeight > 0;
      const own = entry.endpoints[slot].map((endpoint) => server(backend, endpoint, false, true));
      const others = entry.endpoints[other].map((endpoint) => server(backend, endpoint, true, rescues));
      return [...own, ...others];
    }),
  );
  if (entry.mirror === undefined) return direct;
  // Stable's instances, for when that gateway cannot be reached.
  const copied = entry.endpoints[entry.stable];
  return [...direct, ...copied.map((endpoint) => instead(copiedBackend(entry.service), endpoint))];
}

const instead = (backend: string, { id, host, port }: Endpoint): Server => ({
  backend,
  name: serverName(id),
  host,
  port,
  backup: true,
  enabled: true,
});

const server = (backend: string, { id, host, port }: Endpoint, backup: boolean, enabled: boolean): Server => ({
  backend,
  name: `${backup ? rescuePrefix : ''}${serverName(id)}`,
  host,
  port,
  backup,
  enabled,
});
