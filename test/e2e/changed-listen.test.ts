import { afterEach, expect, test } from 'vitest';
import { StatusSchema } from '../../src/api/schemas.ts';
import { freePort } from '../../src/system/free-port.ts';
import { Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';

let sandbox: Sandbox | null = null;

afterEach(async () => {
  await sandbox?.[Symbol.asyncDispose]();
  sandbox = null;
});

test('an address that is declared and not yet taken: users are sent to the one that is listened on, and people are told', async () => {
  const platform = await Sandbox.create();
  sandbox = platform;
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy']));
  const status = async () =>
    StatusSchema.parse(JSON.parse((await succeeds(platform.veza(['status', '--json']))).stdout));
  expect((await status()).notes).toEqual([]);

  // When another address is declared, then what is shown is where users are, and that it is not as declared.
  const port = await freePort('127.0.0.1', 27_300);
  await platform.declare({ target: { listen: `127.0.0.1:${port}` } });
  const told = await status();
  expect(told.services.map(({ url }) => url)).toEqual([platform.url]);
  expect(told.notes).toEqual([expect.stringContaining('not as declared')]);
  const { stdout: shown } = await succeeds(platform.veza(['gateway', 'status']));
  expect(shown).toContain('run `veza gateway upgrade -e development`');
  await platform.program('v2');
  await platform.commit('v2');
  await succeeds(platform.veza(['deploy']));
  const { stdout: deployments } = await succeeds(platform.veza(['deployments', '--json']));
  expect(deployments).toContain(`"url":"${platform.url}"`);
  expect(deployments).not.toContain(`:${port}`);
  expect(await platform.ask()).toBe('200 v2');

  // When it is taken, then nothing is left to be said.
  const upgraded = await succeeds(platform.veza(['gateway', 'upgrade']));
  expect(upgraded.stdout).toContain('The gateway of development runs');
  const taken = await status();
  expect(taken.services.map(({ url }) => url)).toEqual([`http://127.0.0.1:${port}`]);
  expect(taken.notes).toEqual([]);
  expect((await succeeds(platform.veza(['gateway', 'status']))).stdout).not.toContain('not as declared');
});
