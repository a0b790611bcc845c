import type { ServicePersonalData } from '../people/catalogue.ts';

/**
 * Messages of others refer to what somebody said by its number, and clients count on numbers without a gap: what an erased
 * person said stays as an empty place that nobody can be found by.
 */
export const personalData: ServicePersonalData = {
  schema: 'chat',
  people: `select id from members union select created_by from rooms where created_by is not null`,
  tables: {
    presence: {
      personal: true,
      owner: 'person = $1',
      columns: { room: 'export', person: 'export', instance: 'technical', until: 'export' },
      erase: 'delete',
    },
    messages: {
      personal: true,
      owner: 'author = $1',
      columns: { room: 'export', seq: 'export', id: 'export', author: 'export', text: 'export', at: 'export' },
      erase: {
        anonymise: { id: 'null', author: 'null', text: `''`, at: `date_trunc('day', at)` },
        kept: {
          room: 'the room belongs to everybody in it',
          seq: 'the numbers of a room have no gap, which is how clients know that they missed nothing',
        },
      },
    },
    rooms: {
      personal: true,
      owner: 'created_by = $1',
      columns: {
        id: 'export',
        name: 'export',
        created_by: 'export',
        created_at: 'export',
        last_seq: 'technical',
      },
      erase: {
        anonymise: { created_by: 'null', created_at: `date_trunc('day', created_at)` },
        kept: {
          id: 'others write in the room',
          name: 'the name of a place that others use, public from the start',
          last_seq: 'counts the messages of everybody',
        },
      },
    },
    members: {
      personal: true,
      owner: 'id = $1',
      columns: { id: 'export', name: 'export', since: 'export' },
      erase: 'delete',
    },
    departures: {
      personal: false,
      why: 'hashes of the ids of people who were erased, for one hour, so that a token that is still valid writes nothing',
      columns: ['subject', 'at'],
    },
  },
};
