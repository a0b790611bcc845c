/** A place in PostgreSQL's write-ahead log. */
export type Lsn = bigint;

/** Reads `16/B374D848`. @throws TypeError for anything else */
export function parseLsn(text: string): Lsn {
  const [, high, low] = /^([\dA-F]{1,8})\/([\dA-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new TypeError('not a place in the write-ahead log');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

/**
 * How old the data of a replica is, on one clock: this process notes how far the primary's log is, and looks up when the
 * primary was last no further than the replica is now.
 *
 * PostgreSQL's own measures do not do: `pg_last_xact_replay_timestamp` grows when nobody writes, and comparing what was
 * received with what was replayed calls a replica that lost its primary up to date.
 */
export class ReplicaLag {
  readonly #keepMs: number;
  readonly #primary: { readonly atMs: number; readonly lsn: Lsn }[] = [];

  /** @param keepMs how far back notes are kept; a replica that is behind by more than that is behind by "more" */
  constructor(keepMs = 60_000) {
    this.#keepMs = keepMs;
  }

  /** Notes how far the primary's log was at a time. Times do not go back. */
  notePrimary(atMs: number, lsn: Lsn): void {
    this.#primary.push({ atMs, lsn });
    while ((this.#primary[0]?.atMs ?? atMs) < atMs - this.#keepMs) this.#primary.shift();
  }

  /**
   * Upper bound of the age of a replica's data in milliseconds; infinite when it is older than what was noted. A replica that
   * has all that the primary was last seen to have is not behind: also when the primary has been away since.
   */
  lagMs(nowMs: number, replayed: Lsn): number {
    const latest = this.#primary.at(-1);
    if (latest === undefined) return Number.POSITIVE_INFINITY;
    if (replayed >= latest.lsn) return 0;
    const known = this.#primary.findLast(({ lsn }) => lsn <= replayed);
    return known === undefined ? Number.POSITIVE_INFINITY : nowMs - known.atMs;
  }
}
