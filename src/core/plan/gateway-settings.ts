import type { GatewaySettings } from '../gateway-settings.ts';
import type { Target } from '../spec/platform.ts';

/** How the gateway of a target stands at the edge. */
export const gatewaySettingsOf = (target: Target): GatewaySettings => ({ http: target.listen, ...target.edge });
