import { BlockList, isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * Finds out where a request comes from: the peer, or what a trusted router has put last into `x-forwarded-for`. What stands before it
 * came from the client and is not looked at.
 *
 * @param trusted - networks like `127.0.0.0/8`
 * @throws TypeError for a network that is none
 */
export function clientAddress(trusted: readonly string[]): (request: FastifyRequest) => string {
  const routers = new BlockList();
  for (const network of trusted) {
    const [address = '', bits = ''] = network.split('/');
    const family = isIP(address);
    if (family === 0) throw new TypeError('a trusted network is not an address with a length, like 127.0.0.0/8');
    const length = bits === '' ? (family === 4 ? 32 : 128) : Number(bits);
    routers.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  }
  return ({ socket, headers }) => {
    const peer = socket.remoteAddress ?? '';
    const forwarded = headers['x-forwarded-for'];
    if (isIP(peer) === 0 || !routers.check(peer, isIP(peer) === 4 ? 'ipv4' : 'ipv6')) return peer;
    const last = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? '')).split(',').at(-1)?.trim() ?? '';
    return isIP(last) === 0 ? peer : last;
  };
}
