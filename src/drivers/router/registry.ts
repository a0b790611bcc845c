import { createGatewayRouter } from './gateway/gateway-router.ts';
import { createHaproxyRouter } from './haproxy/haproxy-router.ts';

/** Router drivers by the name that a target gives. */
export const routerDrivers = {
  gateway: createGatewayRouter,
  haproxy: createHaproxyRouter,
} as const;
