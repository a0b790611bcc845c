import { interfacesWithin } from '../core/units/route-listing.ts';
import { readRoutes } from '../system/routes.ts';

/**
 * A network of 256 private addresses that no route of this machine leads to: `10.213.7.0/24`.
 *
 * @throws Error when there is none of 256
 */
export async function freeSubnet(): Promise<string> {
  const routes = await readRoutes();
  for (let third = 0; third < 256; third += 1) {
    const subnet = `10.213.${third}.0/24`;
    if (interfacesWithin(routes, subnet).length === 0) return subnet;
  }
  throw new Error('Every network of 10.213.0.0/16 is in use on this machine (`ip route`)');
}
