import { describe, expect, test } from 'vitest';
import type { Service } from '../../core/spec/platform.ts';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import { createConfiguration } from './configuration.ts';

const never = new AbortController().signal;

const storage = {
  connection: async () => ({
    url: 'file:///srv/objects',
    environment: { STORAGE_URL: 'file:///srv/{objects}' },
    folders: ['/srv/objects'],
  }),
} as unknown as ResourceDriver;

const configuration = createConfiguration({
  resources: new Map([['storage', storage]]),
  machine: '10.213.0.1',
  internalPort: (service) => (service === 'api' ? 4_001 : 4_002),
  dataFolder: async (service) => `/srv/data/${service}`,
  secret: async (name) => `{the value of ${name}}`,
});

const chat = {
  name: 'chat',
  dependencies: ['identity'],
  resources: ['storage'],
  data: 'shared',
  environment: { API_URL: { address: 'api' }, KEY: { secret: 'key' }, LEVEL: 'info' },
} as unknown as Service;

describe('what instances are told', () => {
  test('services are reached where instances reach this machine, in the order of trains or not', async () => {
    expect(await configuration.variables(chat, never)).toMatchObject({
      IDENTITY_URL: 'http://10.213.0.1:4002',
      API_URL: 'http://10.213.0.1:4001',
      LEVEL: 'info',
    });
  });

  test('secrets and addresses of resources are taken as they are, whatever looks like a placeholder in them', async () => {
    expect(await configuration.variables(chat, never)).toMatchObject({
      KEY: '{the value of key}',
      STORAGE_URL: 'file:///srv/{objects}',
      VEZA_DATA: '/srv/data/chat',
    });
  });

  test('folders of the service and of its resources go along, and which variables are secret', async () => {
    expect(await configuration.attachments(chat)).toEqual({
      folders: ['/srv/data/chat', '/srv/objects'],
      secrets: ['KEY', 'STORAGE_URL'],
    });
  });
});
