import { afterEach, expect, test } from 'vitest';
import { EventSchema, StatusSchema } from '../../src/api/schemas.ts';
import { problemOf, processesOf, Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';

// A service that is called otherwise in veza.config.ts is another one: the old one stays until somebody takes it away.

let sandbox: Sandbox | null = null;

afterEach(async () => {
  await sandbox?.[Symbol.asyncDispose]();
  sandbox = null;
});

const service = {
  source: 'hello',
  run: 'node server.mjs',
  instances: 1,
  health: { path: '/health', stableFor: '100ms' },
  route: { paths: ['/'] },
  proxy: { drain: '1s' },
  stop: { grace: '2s' },
  // Long: an old slot that is kept warm must not be in the way.
  strategy: { kind: 'blue-green', watch: '500ms', keepWarm: '10m' },
};

test('a renamed service: the old one is shown, keeps its route, and gives it up to `veza remove`', async () => {
  // Given `hello` is live, with its old slot warm.
  const platform = await Sandbox.create({ platform: { services: { hello: service } } });
  sandbox = platform;
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy']));
  await platform.program('v2');
  await platform.commit('v2');
  await succeeds(platform.veza(['deploy']));
  expect(await platform.ask()).toBe('200 v2');

  // And it is not to be removed while it is declared.
  const declared = problemOf(await platform.veza(['remove', 'hello', '--json']));
  expect(declared).toMatchObject({ code: 'removal-refused' });

  // When it is called `web`, then its deployment is refused before anything has begun, and says what to do.
  await platform.declare({ platform: { services: { web: service } } });
  await platform.commit('web');
  const refused = await platform.veza(['deploy', '--json']);
  const problem = problemOf(refused);
  expect(problem).toMatchObject({ code: 'route-taken', detail: expect.stringContaining('hello has that there') });
  expect(problem.hint).toContain('`veza remove hello -e development`');
  expect((await succeeds(platform.veza(['deployments', '--json']))).stdout).not.toContain('"service":"web"');
  expect(await platform.ask()).toBe('200 v2');

  // And `veza status` shows the one that nobody declares.
  const { stdout } = await succeeds(platform.veza(['status']));
  expect(stdout).toMatch(/hello is not declared any more\. It stays/);
  const { services } = StatusSchema.parse(JSON.parse((await succeeds(platform.veza(['status', '--json']))).stdout));
  expect(services.map(({ service: name, declared: is, ready }) => [name, is, ready])).toEqual([
    ['web', true, 0],
    ['hello', false, 1],
  ]);

  // When it is removed, then nothing of it runs, and it is in the journal.
  const removed = await succeeds(platform.veza(['remove', 'hello']));
  expect(removed.stdout).toContain('hello is gone from development');
  expect(processesOf(platform.dir, 'server.mjs')).toEqual([]);
  expect(await platform.ask()).toMatch(/^404 /);
  const journal = (await succeeds(platform.veza(['events', '--json']))).stdout.trim().split('\n');
  expect(journal.map((line) => EventSchema.parse(JSON.parse(line)))).toContainEqual(
    expect.objectContaining({ type: 'removed', service: 'hello', environment: 'development' }),
  );

  // And it stays away over a restart of everything, and `web` has its route.
  await succeeds(platform.veza(['down']));
  await succeeds(platform.veza(['up']));
  expect(processesOf(platform.dir, 'server.mjs')).toEqual([]);
  await succeeds(platform.veza(['deploy']));
  expect(await platform.ask()).toBe('200 v2');
  expect((await succeeds(platform.veza(['status']))).stdout).not.toContain('not declared');
  expect((await platform.veza(['remove', 'hello'])).stderr).toContain('no live service without a declaration');
});
