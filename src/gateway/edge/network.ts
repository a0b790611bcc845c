/**
 * The network that a client's address belongs to, as numbers. One object is used again for every request, so that reading
 * an address makes no garbage.
 */
export class ClientNetwork {
  /** 4, 6, or 0 for what is no address. */
  family: 0 | 4 | 6 = 0;
  /** IPv4: the address. IPv6: the upper 32 bits of the /64. Otherwise a hash of the text. */
  high = 0;
  /** IPv6: the lower 32 bits of the /64. */
  low = 0;
  readonly #groups = new Uint16Array(8);

  /** @param address as Node writes it; with a zone (`%eth0`) or as a mapped IPv4 address, too */
  read(address: string): void {
    this.low = 0;
    const colon = address.indexOf(':');
    if (colon === -1) this.#readIpv4(address, 0);
    else if (address.includes('.')) this.#readIpv4(address, address.lastIndexOf(':') + 1);
    else this.#readIpv6(address);
    if (this.family === 0) this.high = hash(address);
  }

  /** The network as people write it: 24 bits of IPv4, 48 bits of IPv6; null for what is no address. */
  truncated(): string | null {
    const { high, low } = this;
    if (this.family === 4) return `${high >>> 24}.${(high >>> 16) & 255}.${(high >>> 8) & 255}.0/24`;
    if (this.family !== 6) return null;
    const groups = [high >>> 16, high & 0xffff, low >>> 16].map((group) => group.toString(16));
    return `${groups.join(':')}::/48`;
  }

  #readIpv4(text: string, from: number): void {
    this.family = 0;
    let value = 0;
    let part = -1;
    let parts = 0;
    for (let i = from; i <= text.length; i += 1) {
      const code = i === text.length ? dot : text.charCodeAt(i);
      if (code === dot) {
        if (part < 0 || part > 255) return;
        value = ((value << 8) | part) >>> 0;
        parts += 1;
        part = -1;
      } else if (code >= 0x30 && code <= 0x39) part = (part < 0 ? 0 : part * 10) + code - 0x30;
      else return;
      if (part > 255) return;
    }
    if (parts !== 4) return;
    this.family = 4;
    this.high = value;
  }

  #readIpv6(text: string): void {
    this.family = 0;
    const groups = this.#groups.fill(0);
    let count = 0;
    let gap = -1;
    let value = -1;
    for (let i = 0; i <= text.length; i += 1) {
      const code = i === text.length ? percent : text.charCodeAt(i);
      if (code === colon || code === percent) {
        if (value >= 0) {
          if (count === 8) return;
          groups[count] = value;
          count += 1;
          value = -1;
        } else if (code === colon && i > 0 && text.charCodeAt(i - 1) === colon) {
          if (gap !== -1) return;
          gap = count;
        } else if (code === colon && i > 0) return;
        if (code === percent) break;
      } else {
        const digit = hexDigit(code);
        if (digit === -1) return;
        value = (value < 0 ? 0 : value * 16) + digit;
        if (value > 0xffff) return;
      }
    }
    if (gap === -1 ? count !== 8 : count > 7) return;
    if (gap !== -1) {
      groups.copyWithin(8 - (count - gap), gap, count);
      groups.fill(0, gap, 8 - (count - gap));
    }
    this.family = 6;
    this.high = (((groups[0] ?? 0) << 16) | (groups[1] ?? 0)) >>> 0;
    this.low = (((groups[2] ?? 0) << 16) | (groups[3] ?? 0)) >>> 0;
  }
}

const dot = 0x2e;
const colon = 0x3a;
const percent = 0x25;

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
