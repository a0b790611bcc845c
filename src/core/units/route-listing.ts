import { parseSubnet } from './subnet.ts';

/**
 * Interfaces that have a route of their own to some address of a network. Wider routes, such as the default one, say nothing of
 * who has the addresses, and are passed over.
 *
 * @param listing `/proc/net/route` of Linux: names, then addresses and masks as little-endian hexadecimal numbers (proc_net(5))
 * @param subnet such as `10.213.0.0/24`; what is none has no interfaces
 */
export function interfacesWithin(listing: string, subnet: string): readonly string[] {
  const wanted = parseSubnet(subnet);
  if (!wanted.ok) return [];
  const { base, size } = wanted.value;
  const found = listing.split('\n').flatMap((line) => {
    const [name = '', destination = '', , , , , , mask = ''] = line.trim().split(/\s+/);
    if (!/^[0-9A-F]{8}$/i.test(destination) || !/^[0-9A-F]{8}$/i.test(mask)) return [];
    const from = littleEndian(destination);
    const addresses = 2 ** 32 - littleEndian(mask);
    const overlaps = from < base + size && base < from + addresses;
    return overlaps && addresses <= WIDEST ? [name] : [];
  });
  return [...new Set(found)];
}

/** As many addresses as the widest private network has, 10.0.0.0/8. */
const WIDEST = 2 ** 24;

const littleEndian = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE();
