/** One JSON line an event on stderr, which the driver points at the gateway's log file. */
export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Lines a second that are written at most; a flood of failing requests must not fill the disk. */
const maxLinesPerSecond = 50;

export function createLog(write: (line: string) => void, now: () => number): Log {
  let second = 0;
  let lines = 0;
  let dropped = 0;
  return (level, event, fields = {}) => {
    const at = now();
    const current = Math.floor(at / 1000);
    if (current !== second) {
      second = current;
      lines = 0;
      if (dropped > 0) {
        write(JSON.stringify({ at: new Date(at).toISOString(), level: 'warn', event: 'log-lines-dropped', dropped }));
        dropped = 0;
      }
    }
    lines += 1;
    if (lines > maxLinesPerSecond) dropped += 1;
    else write(JSON.stringify({ at: new Date(at).toISOString(), level, event, ...fields }));
  };
}
