import type { ColumnType, Generated } from 'kysely';

/** bigint, read as a number. */
type BigInteger = ColumnType<number, number, number>;

/** The tables of the schema `chat`, as migrations/ leaves them. */
export interface ChatTables {
  readonly rooms: {
    readonly id: string;
    readonly name: string;
    readonly created_by: string | null;
    readonly created_at: Generated<Date>;
    readonly last_seq: ColumnType<number, number | undefined, number>;
  };
  readonly members: {
    readonly id: string;
    readonly name: string;
    readonly since: Generated<Date>;
  };
  readonly messages: {
    readonly room: string;
    readonly seq: BigInteger;
    readonly id: string | null;
    readonly author: string | null;
    readonly text: string;
    readonly at: Date;
  };
  readonly presence: {
    readonly room: string;
    readonly person: string;
    readonly instance: string;
    readonly until: Date;
  };
  readonly departures: {
    readonly subject: Buffer;
    readonly at: Generated<Date>;
  };
}
