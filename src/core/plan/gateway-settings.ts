import type { GatewaySettings } from '../gateway-settings.ts';
import type { Target } from '../spec/platform.ts';

/** Milliseconds that streams live on in a gateway process that was replaced. */
const lingerMs = 3_600_000;

/** How the gateway of a target stands at the edge. */
export const gatewaySettingsOf = (target: Target): GatewaySettings => ({
  workers: null,
  http: target.listen,
  https: null,
  accessLog: null,
  lingerMs,
});
