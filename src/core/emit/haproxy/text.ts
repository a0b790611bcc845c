/** A word of HAProxy's configuration that stands for exactly this text. */
export const quoted = (text: string): string => `"${text.replaceAll(/[\\"$]/g, (character) => `\\${character}`)}"`;

/** The same where HAProxy reads a log format: `%` means itself. */
export const quotedFormat = (text: string): string => quoted(text.replaceAll('%', '%%'));

/** An argument of a Lua converter: everything odd is percent-encoded. */
export const converterArgument = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9/_.-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');

/** An address as `bind` and `server` want it. */
export const addressOf = (host: string, port: number): string =>
  `${host.includes(':') ? `ipv6@${host}` : `ipv4@${host}`}:${port}`;

/** Environment variable that may hold another way to a listening socket, `fd@N`; see docs/haproxy.md. */
export const listenVariable = (host: string, port: number): string =>
  `VEZA_LISTEN_${host.replaceAll(/[^A-Za-z0-9]/g, '_')}_${port}`;

/** The address of a public `bind`: the socket that HAProxy inherits if it was given one, else the address itself. */
export const inheritedOr = (host: string, port: number): string =>
  `"\${${listenVariable(host, port)}-${addressOf(host, port)}}"`;
