let second = 0;
let text = '';

/** A `date` header with its line end, made once a second (RFC 9110, 6.6.1). */
export function dateHeader(): string {
  const now = Date.now();
  const current = Math.floor(now / 1000);
  if (current !== second) {
    second = current;
    text = `date: ${new Date(now).toUTCString()}\r\n`;
  }
  return text;
}
