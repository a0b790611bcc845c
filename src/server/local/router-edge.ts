import { isDeepStrictEqual } from 'node:util';
import type { GatewaySettings } from '../../core/gateway-settings.ts';
import { gatewaySettingsOf } from '../../core/plan/gateway-settings.ts';
import type { Target } from '../../core/spec/platform.ts';
import type { StartAt } from './start-url.ts';

/** What users of an environment meet: which router, and how it really listens, whatever is declared meanwhile. */
export interface RouterEdge {
  readonly kind: Target['router'];
  readonly pid: number;
  readonly settings: GatewaySettings;
}

/** The target as far as it is in force. */
export function targetInForce({ settings: { http, ...edge } }: Pick<RouterEdge, 'settings'>): StartAt {
  return { listen: http, edge };
}

/** What to do when a router is not as it is declared by now, in words; null when it is. A declared port 0 is any. */
export function notAsDeclared(environment: string, target: Target, edge: RouterEdge): string | null {
  const { kind, settings } = edge;
  const wanted = gatewaySettingsOf(target);
  const anyPort = <T extends { readonly port: number }>(declared: T, running: T | null): T =>
    declared.port === 0 && running !== null ? { ...declared, port: running.port } : declared;
  const same = isDeepStrictEqual(
    {
      ...wanted,
      http: anyPort(wanted.http, settings.http),
      https: wanted.https && anyPort(wanted.https, settings.https),
    },
    settings,
  );
  if (same && kind === target.router) return null;
  const addresses = [
    `http ${settings.http.host}:${settings.http.port}`,
    ...(settings.https === null ? [] : [`https ${settings.https.host}:${settings.https.port}`]),
  ].join(' and ');
  const what = kind === 'haproxy' ? 'HAProxy' : 'the gateway';
  // An HAProxy that runs keeps its addresses; a router of another kind is stopped when the one declared is opened.
  const how =
    kind !== target.router
      ? 'veza down --keep-running && veza up'
      : kind === 'gateway'
        ? `veza gateway upgrade -e ${environment}`
        : `veza down -e ${environment} && veza up -e ${environment}`;
  return `${what} is not as declared: it still listens on ${addresses}, as it was declared before; run \`${how}\``;
}
