import { afterEach, expect, test } from 'vitest';
import { Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';

// What `veza down` took away comes back as it says: `veza up`.

let sandbox: Sandbox | null = null;

afterEach(async () => {
  await sandbox?.[Symbol.asyncDispose]();
  sandbox = null;
});

test('an environment that was taken down alone is brought back by `veza up`, named or not, as it was', async () => {
  const platform = await Sandbox.create();
  sandbox = platform;
  await succeeds(platform.veza(['up']));
  await succeeds(platform.veza(['deploy']));
  expect(await platform.ask()).toBe('200 v1');
  const pid = await platform.controlPid();

  for (const args of [['up', '-e', 'development'], ['up']]) {
    // Given it is down, and the control plane is not.
    const { stdout } = await succeeds(platform.veza(['down', '-e', 'development']));
    expect(stdout).toContain('Back: `veza up -e development`');
    expect(await platform.ask()).toBeNull();

    // When it is asked for, then users are served, by the same control plane.
    const back = await succeeds(platform.veza(args));
    expect(back.stdout).toContain('development is up again');
    expect(back.stderr).toContain('starting development');
    await expect.poll(() => platform.ask(), { timeout: 10_000 }).toBe('200 v1');
    expect(await platform.controlPid()).toBe(pid);
  }

  // And asked once more, it changes nothing.
  expect((await succeeds(platform.veza(['up', '-e', 'development']))).stdout).toContain('runs already');
  expect(await platform.ask()).toBe('200 v1');
});

test('`veza up` of an environment that is not declared is refused by its name', async () => {
  const platform = await Sandbox.create();
  sandbox = platform;
  await succeeds(platform.veza(['up']));
  const refused = await platform.veza(['up', '-e', 'stagin']);
  expect(refused).toMatchObject({ status: 2 });
  expect(refused.stderr).toContain('There is no environment called `stagin`');
});
