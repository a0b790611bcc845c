import type { ServicePersonalData } from '../people/catalogue.ts';

export const personalData: ServicePersonalData = {
  schema: 'identity',
  people: 'select id from people',
  tables: {
    refresh_tokens: {
      personal: true,
      owner: 'session_id in (select id from sessions where person_id = $1)',
      columns: {
        hash: 'secret',
        session_id: 'export',
        predecessor: 'secret',
        expires_at: 'export',
        used_at: 'export',
        successor_salt: 'secret',
      },
      erase: 'cascade',
    },
    sessions: {
      personal: true,
      owner: 'person_id = $1',
      columns: {
        id: 'export',
        person_id: 'export',
        created_at: 'export',
        expires_at: 'export',
        ended_at: 'export',
        ended_because: 'export',
      },
      erase: 'cascade',
    },
    people: {
      personal: true,
      owner: 'id = $1',
      columns: {
        id: 'export',
        email: 'export',
        password_hash: 'secret',
        display_name: 'export',
        language: 'export',
        created_at: 'export',
        disabled_at: 'export',
      },
      erase: 'delete',
    },
    login_attempts: {
      personal: false,
      why: 'keyed hashes of accounts and addresses that failed to log in, swept within the hour after the last failure',
      columns: ['key', 'empty_at'],
    },
  },
};
