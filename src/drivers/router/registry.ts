import { createGatewayRouter } from './gateway/gateway-router.ts';

/** Router drivers by the name that a target gives. */
export const routerDrivers = {
  gateway: createGatewayRouter,
} as const;
