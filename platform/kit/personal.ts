/**
 * Shapes that may belong to a person, for the second line of defence: what is logged and counted is allow-listed by name
 * first, and a value that looks like one of these is left out even there.
 */
const SHAPES: readonly RegExp[] = [
  /@/, // e-mail addresses, handles
  /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])/, // IPv4
  /(?:[\da-f]{1,4}:+){3}|::[\da-f]{1,4}/i, // IPv6
  /[\da-f]{8}-?[\da-f]{4}-?[\da-f]{4}-?[\da-f]{4}-?[\da-f]{12}/i, // UUID
  /(?<![\da-z])(?=[\da-z_-]*\d)(?=[\da-z_-]*[a-z])[\da-z_-]{24,}/i, // tokens, digests, long ids
  /\+?\d[\d ()./-]{8,}\d/, // telephone numbers, long numbers
  /mozilla\/|applewebkit|gecko|chrome\/|safari\/|\bwindows nt\b/i, // user agents
];

/** Whether a text has the shape of an e-mail address, network address, id, token, telephone number or user agent. */
export function looksPersonal(text: string): boolean {
  return SHAPES.some((shape) => shape.test(text));
}
