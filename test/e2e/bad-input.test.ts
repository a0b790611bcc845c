import { spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi, type TestContext } from 'vitest';
import { endThoseOf, type Outcome, problemOf, processesOf, Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';
import { isAlive } from '../../src/system/is-alive.ts';

// What a person sees who did something wrong, or whose machine did: the real command line against a real control plane. Each
// time the exit status as documented, a sentence that says what and where, another that says what to do, no stack, and nothing
// lost. A table at the end shows them all.

const isRoot = process.getuid?.() === 0;
const rows: { readonly scenario: string; readonly status: number; readonly line: string }[] = [];

afterAll(async () => {
  await neverEnds.outcome;
  await neverEnds.sandbox[Symbol.asyncDispose]();
  const widest = Math.max(...rows.map(({ scenario }) => scenario.length));
  console.log(
    ['scenario → exit status → first line of the message']
      .concat(rows.map(({ scenario, status, line }) => `${scenario.padEnd(widest)}  ${status}  ${line.slice(0, 160)}`))
      .join('\n'),
  );
});

interface Expected {
  readonly status: number;
  readonly message: RegExp;
  readonly hint: RegExp;
  readonly code: string;
}

/** Holds what one outcome said against what it must say. */
function expectFailure(scenario: string, outcome: Outcome, { status, message, hint }: Omit<Expected, 'code'>): void {
  const said = outcome.stderr + outcome.stdout;
  const line =
    outcome.stderr.split('\n').find((text) => text.startsWith('✘')) ??
    said.split('\n').find((text) => text.includes('✘'));
  rows.push({ scenario, status: outcome.status, line: (line ?? said.split('\n')[0] ?? '').replace(/^✘ /, '') });
  expect(said).toMatch(message);
  expect(said).toMatch(hint);
  expectPlain(outcome);
  expect(outcome.status).toBe(status);
}

/** No stack, and no excuse that it is a defect. */
function expectPlain({ stdout, stderr }: Outcome): void {
  expect(stderr + stdout).not.toMatch(/\n\s+at .+:\d+|This is a defect|node:internal/);
}

/** Runs a command line as a person and as a program would; both must get the same. */
async function refuses(scenario: string, sandbox: Sandbox, args: readonly string[], expected: Expected): Promise<void> {
  expectFailure(scenario, await sandbox.veza(args), expected);
  const asProgram = await sandbox.veza([...args, '--json']);
  expectPlain(asProgram);
  const problem = problemOf(asProgram);
  expect(problem).toMatchObject({ code: expected.code, exitStatus: expected.status });
  expect(problem.detail).toMatch(expected.message);
  expect(problem.hint).toMatch(expected.hint);
  expect(asProgram.status).toBe(expected.status);
  expect(asProgram.stdout).toBe('');
}

async function succeedsPlainly(outcome: Promise<Outcome>): Promise<Outcome> {
  const result = await succeeds(outcome);
  expectPlain(result);
  return result;
}

/** A platform that is up, with one release live. */
async function live(...options: Parameters<typeof Sandbox.create>): Promise<Sandbox> {
  const sandbox = await Sandbox.create(...options);
  await succeedsPlainly(sandbox.veza(['up']));
  await succeedsPlainly(sandbox.veza(['deploy']));
  expect(await sandbox.ask()).toBe('200 v1');
  return sandbox;
}

async function listening(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve);
  });
  return server;
}

/** Waits for the condition, as long as a busy machine may need. */
const until = async (condition: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(condition, { timeout: 60_000, interval: 100 });

const gone = (pid: number): boolean => !isAlive(pid);

// It takes half a minute, so it has begun long before it is looked at.
let neverEnds: { readonly sandbox: Sandbox; readonly outcome: Promise<Outcome> };

beforeAll(async () => {
  const sandbox = await Sandbox.create();
  await sandbox.write('for (;;) {}\n');
  neverEnds = { sandbox, outcome: sandbox.veza(['validate']) };
});

describe('the command line', () => {
  test.each([
    ['an unknown command', ['depoly'], /Unknown command `depoly`/, /Did you mean deploy\?/],
    ['an unknown command without a neighbour', ['frobnicate'], /Unknown command `frobnicate`/, /veza --help/],
    ['help of an unknown command', ['help', 'depoly'], /Unknown command `depoly`/, /Did you mean deploy\?/],
    ['an unknown option', ['deploy', '--stratgy', 'canary'], /Unknown option `--stratgy`/, /Did you mean --strategy\?/],
    [
      'an unknown choice',
      ['deploy', '--strategy', 'cannary'],
      /`cannary` is no choice of `--strategy`; did you mean `canary`\?/,
      /canary, blue-green, rolling/,
    ],
    ['a superfluous argument', ['up', 'extra'], /Too many arguments for `up`/, /veza COMMAND --help/],
    ['a group without its command', ['secrets'], /Which command of `veza secrets`\?/, /veza secrets --help/],
    ['a name that cannot be one', ['init', '--name', 'A B'], /`A B` cannot be the name/, /Lower-case letters/],
    [
      'a project that is not there',
      ['status', '--project', '/nowhere'],
      /no veza\.config\.ts in \/nowhere/,
      /--project DIR/,
    ],
  ])('%s', async (scenario, args, message, hint) => {
    await using sandbox = await Sandbox.create();
    await refuses(scenario, sandbox, args, {
      status: 2,
      code: scenario.startsWith('a project') ? 'project-not-found' : 'usage',
      message,
      hint,
    });
  });

  test('no control plane: each verb that needs one says so', async () => {
    await using sandbox = await Sandbox.create();
    for (const args of [['deploy'], ['status'], ['logs'], ['releases'], ['down']]) {
      await refuses(`${args.join(' ')} without \`up\``, sandbox, args, {
        status: 6,
        code: 'control-plane-not-running',
        message: /No control plane is running for .*\.veza\./,
        hint: /veza up/,
      });
    }
  });
});

describe('the declaration', () => {
  test.each([
    [
      'that does not compile',
      'export default {\n  name: ,\n};\n',
      'config-syntax',
      /veza\.config\.ts:2:\d+: /,
      /Correct the file/,
    ],
    [
      'that throws',
      "throw new Error('no database here');\n",
      'config-failed',
      /veza\.config\.ts:1:\d+: it threw "no database here"/,
      /only declares/,
    ],
    [
      'that exports nothing',
      'export const platform = {};\n',
      'config-export',
      /must export a platform by default; it exports only `platform`/,
      /export default definePlatform/,
    ],
  ])('%s', async (what, config, code, message, hint) => {
    await using sandbox = await Sandbox.create();
    await sandbox.write(config);
    await refuses(`a declaration ${what}`, sandbox, ['up'], { status: 3, code, message, hint });
  });

  test('with several mistakes: all at once, with their places', async () => {
    await using sandbox = await Sandbox.create();
    await sandbox.declare({ service: { strategy: 'cannary', instances: 0, helth: '/x', run: 'server {PROT}' } });
    const expected = {
      status: 3,
      code: 'config-invalid',
      message: /instances\n\s+expected .*[^]*did you mean `canary`[^]*did you mean `health`/,
      hint: /veza validate/,
    };
    await refuses('a declaration with four mistakes', sandbox, ['up'], expected);
    expect(
      problemOf(await sandbox.veza(['up', '--json']))
        .mistakes.map(({ path }) => path)
        .toSorted(),
    ).toEqual(['services.hello.helth', 'services.hello.instances', 'services.hello.run', 'services.hello.strategy']);
  });

  test('that becomes wrong while the platform runs: nothing of it is taken over', async () => {
    await using sandbox = await live();
    await sandbox.declare({ service: { instances: 'many' } });
    await refuses('a declaration that became wrong', sandbox, ['deploy'], {
      status: 3,
      code: 'config-invalid',
      message: /services\.hello\.instances/,
      hint: /veza validate/,
    });
    expect(await sandbox.ask()).toBe('200 v1');
  });
});

test('a declaration that never ends is stopped', async () => {
  expectFailure('a declaration that never ends', await neverEnds.outcome, {
    status: 3,
    message: /did not end within 30 s and was stopped/,
    hint: /only declares/,
  });
});

describe('names and sources', () => {
  test('unknown services, environments, deployments and releases; what is not committed; no repository', async () => {
    await using sandbox = await live();
    const unknown = { status: 2, code: 'unknown-name' };
    await refuses('an unknown service', sandbox, ['deploy', 'helo'], {
      ...unknown,
      message: /no service called `helo`; did you mean `hello`\?/,
      hint: /Known: hello/,
    });
    await refuses('an unknown environment', sandbox, ['deploy', '-e', 'developmnt'], {
      ...unknown,
      message: /no environment called `developmnt`; did you mean `development`\?/,
      hint: /Known: development/,
    });
    await refuses('an unknown deployment', sandbox, ['show', '99'], {
      ...unknown,
      message: /no deployment called `99`/,
      hint: /dep_1/,
    });
    await refuses('an unknown release', sandbox, ['deploy', '--release', 'rel_ffff'], {
      ...unknown,
      message: /no release called `rel_ffff`/,
      hint: /Known: rel_/,
    });
    await refuses('nothing to go back to', sandbox, ['rollback', 'hello'], {
      status: 4,
      code: 'nothing-to-roll-back',
      message: /hello has no earlier release in development/,
      hint: /veza releases/,
    });
    await refuses('an operation that comes too late', sandbox, ['promote', 'dep_1'], {
      status: 4,
      code: 'operation-refused',
      message: /Cannot promote dep_1 while it is (succeeded|retiring)/,
      hint: /veza deploy|committed/,
    });

    await sandbox.program('v2');
    await refuses('uncommitted changes', sandbox, ['deploy'], {
      status: 4,
      code: 'uncommitted-changes',
      message: /hello has uncommitted changes:\n\s+hello\/server\.mjs/,
      hint: /git commit.*--dirty/,
    });
    await rm(join(sandbox.dir, '.git'), { recursive: true });
    await refuses('no git repository', sandbox, ['deploy'], {
      status: 4,
      code: 'no-committed-source',
      message: /is not in a git repository/,
      hint: /git init/,
    });
    expect(await sandbox.ask()).toBe('200 v1');
  });

  test('a secret that production lacks is missed before anything is started', async () => {
    const target = (port: number, ports: string) => ({
      target: { kind: 'process', listen: `127.0.0.1:${port}`, ports },
    });
    await using sandbox = await Sandbox.create({
      service: { environment: { API_KEY: { secret: 'api-key' } } },
      platform: { environments: { production: { ...target(26_190, '26300-26349'), gates: { requires: null } } } },
    });
    await succeedsPlainly(sandbox.veza(['up']));
    const outcome = await sandbox.veza(['deploy', '-e', 'production']);
    expectFailure('a secret that production lacks', outcome, {
      status: 4,
      message:
        /was refused, nothing was touched: hello needs the secret api-key \(services\.hello\.environment\.API_KEY\), which is not set in production/,
      hint: /veza secrets set api-key --environment production/,
    });
    expect(processesOf(sandbox.stateDir, 'server.mjs')).toEqual([]);
  });
});

describe('addresses', () => {
  test('the port for users is taken', async () => {
    await using sandbox = await Sandbox.create();
    const other = await listening(sandbox.port);
    await refuses("the gateway's port is taken", sandbox, ['up'], {
      status: 1,
      code: 'gateway-start',
      message: new RegExp(`another program listens on 127\\.0\\.0\\.1:${sandbox.port}`),
      hint: /ss -ltnp.*`listen`/,
    });
    other.close();
    await succeedsPlainly(sandbox.veza(['up']));
  });

  test('all ports of instances are taken by others', async () => {
    await using sandbox = await Sandbox.create({ target: { ports: '26400-26409' } });
    await succeedsPlainly(sandbox.veza(['up']));
    const others: Server[] = [];
    for (let port = 26_400; port <= 26_409; port += 1) {
      await listening(port).then(
        (server) => others.push(server),
        () => undefined,
      );
    }
    expectFailure('no port is free for an instance', await sandbox.veza(['deploy']), {
      status: 4,
      message: /was refused, nothing was touched: .*26400/,
      hint: /ports/,
    });
    for (const server of others) server.close();
    await succeedsPlainly(sandbox.veza(['deploy']));
    expect(await sandbox.ask()).toBe('200 v1');
  });
});

describe('the state folder', () => {
  test('is held by another control plane: the second one says by whom', async () => {
    await using sandbox = await live();
    const pid = await sandbox.controlPid();
    // Its socket is gone, so the second one cannot simply be sent there.
    await rm(join(sandbox.stateDir, 'control.sock'));
    await refuses('a second control plane', sandbox, ['up'], {
      status: 7,
      code: 'state-directory-held',
      message: new RegExp(`is held by process ${String(pid)} on `),
      hint: new RegExp(`kill ${String(pid)}`),
    });
    expect(await sandbox.ask()).toBe('200 v1');
    // What the message says works.
    process.kill(Number(pid), 'SIGTERM');
    await until(() => expect(gone(Number(pid))).toBe(true));
    await succeedsPlainly(sandbox.veza(['up']));
    expect(await sandbox.ask()).toBe('200 v1');
  });

  test('has a path longer than a socket may have, in a project with spaces and letters of the world', async () => {
    const long = join(tmpdir(), `veza-${'x'.repeat(60)}`, 'y'.repeat(60), 'state');
    const sandbox = await live({ dir: 'Mein Projekt – ünïcode/日本', stateDir: long });
    expect(Buffer.byteLength(join(long, 'control.sock'))).toBeGreaterThan(107);
    await succeedsPlainly(sandbox.veza(['status']));
    await sandbox[Symbol.asyncDispose]();
    await rm(join(long, '../..'), { recursive: true });
  });

  test('is read-only', async (context) => {
    await using sandbox = await live();
    await succeedsPlainly(sandbox.veza(['down', '--keep-running']));
    const { stateDir } = sandbox;
    if (isRoot) {
      // Root may write where it is not allowed to; a file system that is read-only holds for everybody.
      skipUnless(context, mount('--bind', stateDir, stateDir) && mount('-o', 'remount,ro,bind', stateDir), 'mount');
    } else await chmod(stateDir, 0o500);
    try {
      await refuses('a read-only state folder', sandbox, ['up'], {
        status: 1,
        code: 'store-unavailable',
        message: /lock\.db is not available: .*(read-only|denied|cannot be opened)/,
        hint: /writable|may read and write/,
      });
      expect((await sandbox.veza(['doctor'])).stdout).toMatch(/state folder .*(read-only|cannot be written)/);
      expect(await sandbox.ask()).toBe('200 v1');
    } finally {
      if (isRoot) spawnSync('umount', [stateDir]);
      else await chmod(stateDir, 0o700);
    }
    await succeedsPlainly(sandbox.veza(['up']));
  });

  test('holds a damaged journal: refused, said what to do, and the data plane goes on', async () => {
    await using sandbox = await live();
    await succeedsPlainly(sandbox.veza(['down', '--keep-running']));
    const journal = join(sandbox.stateDir, 'journal.db');
    const whole = `${journal}.whole`;
    await cp(journal, whole);
    const { size } = await stat(journal);
    const damages: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
      ['a changed byte in the journal', () => change(journal, 'succeeded'), /is damaged at entry \d+: expected hash/],
      ['a journal cut in half', () => truncate(journal, Math.floor(size / 2)), /is damaged.*expected/],
      ['an empty journal', () => truncate(journal, 0), /at least \d+ entries.*found no entry/],
      ['no journal', () => rm(journal), /at least \d+ entries.*found no entry/],
      [
        'a journal that is none',
        () => writeFile(journal, 'hello '.repeat(1_000)),
        /expected a readable SQLite database/,
      ],
    ];
    for (const [scenario, damage, message] of damages) {
      await damage();
      await refuses(scenario, sandbox, ['up'], {
        status: 1,
        code: 'journal-corrupted',
        message,
        hint: /running services go on.*(restore|Restore).*backup/,
      });
      expect(await sandbox.ask(), scenario).toBe('200 v1');
      for (const suffix of ['-wal', '-shm']) await rm(`${journal}${suffix}`, { force: true });
      await cp(whole, journal);
    }
    await succeedsPlainly(sandbox.veza(['up']));
    await sandbox.program('v2');
    await sandbox.commit('v2');
    await succeedsPlainly(sandbox.veza(['deploy']));
    expect(await sandbox.ask()).toBe('200 v2');
  });

  test('holds an artifact that was changed: refused with its digest, stable untouched', async () => {
    await using sandbox = await live();
    await sandbox.program('v2');
    await sandbox.commit('v2');
    const built = JSON.parse((await succeedsPlainly(sandbox.veza(['build', '--json']))).stdout) as {
      releases: { id: string; artifact: string }[];
    };
    const [release] = built.releases;
    const digest = release?.artifact.replace('sha256:', '') ?? '';
    const blobs = await readdir(join(sandbox.stateDir, 'store'), { recursive: true });
    const blob = blobs.find((path) => path.includes(digest) && path.startsWith('blobs'));
    expect(blob).toBeDefined();
    await change(join(sandbox.stateDir, 'store', blob ?? ''), 'v2');
    expectFailure('a changed artifact', await sandbox.veza(['deploy', '--release', release?.id ?? '']), {
      status: 4,
      message: new RegExp(
        `was refused, nothing was touched: The artifact sha256:${digest} was changed after it was built`,
      ),
      hint: /[Bb]uild/,
    });
    expect(await sandbox.ask()).toBe('200 v1');
    // Building again from the same commit makes it whole.
    await succeedsPlainly(sandbox.veza(['deploy']));
    expect(await sandbox.ask()).toBe('200 v2');
  });

  test('is on a disk that is full: before `up`, before a build and in the middle of a deployment; with room it goes on', async (context) => {
    const disk = join(tmpdir(), `veza-full-${process.pid}`);
    await mkdir(disk);
    skipUnless(
      context,
      isRoot && mount('-t', 'tmpfs', '-o', 'size=16m', 'veza-test', disk),
      'a small disk to fill (root and mount)',
    );
    const fill = async (): Promise<void> => {
      spawnSync('dd', ['if=/dev/zero', `of=${disk}/fill`, 'bs=4k'], { stdio: 'ignore' });
      expect((await statfs(disk)).bavail).toBe(0);
    };
    const makeRoom = (): Promise<void> => rm(join(disk, 'fill'));
    const full = { status: 1, code: 'store-unavailable', message: /the disk is full/, hint: /Free some space/ };
    try {
      await using sandbox = await Sandbox.create({ stateDir: join(disk, 'state') });
      await mkdir(sandbox.stateDir);
      await fill();
      await refuses('a full disk before `up`', sandbox, ['up'], full);
      await makeRoom();
      await succeedsPlainly(sandbox.veza(['up']));
      await fill();
      await refuses('a full disk before a build', sandbox, ['build'], full);
      await makeRoom();
      await succeedsPlainly(sandbox.veza(['deploy']));

      await sandbox.program('v2');
      await sandbox.declare({ service: { strategy: { kind: 'blue-green', watch: '5s', keepWarm: '1s' } } });
      await sandbox.commit('v2');
      await succeedsPlainly(sandbox.veza(['deploy', '--detach']));
      await fill();
      await until(async () =>
        expect((await sandbox.veza(['status'])).stdout).toMatch(/journal\.db is not available: the disk is full/),
      );
      expect((await sandbox.veza(['show', 'latest'])).stdout).toMatch(
        /the store, nothing is started or moved meanwhile/,
      );
      rows.push({
        scenario: 'a full disk in a deployment',
        status: 0,
        line: 'status: The store … is not available: the disk is full (the deployment waits)',
      });
      expect(await sandbox.ask()).toMatch(/^200 v[12]$/);
      expect((await sandbox.veza(['doctor'])).stdout).toMatch(/Make room/);
      await makeRoom();
      await succeedsPlainly(sandbox.veza(['watch', 'latest']));
      expect(await sandbox.ask()).toBe('200 v2');
      expect((await succeedsPlainly(sandbox.veza(['status']))).stdout).not.toMatch(/not available/);
    } finally {
      endThoseOf(disk);
      spawnSync('umount', ['-l', disk]);
      await rm(disk, { recursive: true });
    }
  });
});

describe('what is killed comes back by itself', () => {
  test('gateway, instance, log collector, control plane', async () => {
    await using sandbox = await live({ service: { instances: 2, restart: { backoff: '100ms' } } });
    const users = startUsers(sandbox);
    try {
      const [gateway = 0] = processesOf(sandbox.stateDir, 'gateway/main');
      const atGateway = await outage(
        users,
        () => process.kill(gateway, 'SIGKILL'),
        () => {
          const [now] = processesOf(sandbox.stateDir, 'gateway/main');
          expect(now).toBeDefined();
          expect(now).not.toBe(gateway);
        },
      );
      note("a gateway's killed supervisor", atGateway);
      expect(atGateway.failed).toBe(0);

      const everything = ['gateway/main', 'gateway/worker/main'].flatMap((name) => processesOf(sandbox.stateDir, name));
      const atWhole = await outage(
        users,
        () => {
          for (const pid of everything) process.kill(pid, 'SIGKILL');
        },
        () => {
          const [now] = processesOf(sandbox.stateDir, 'gateway/main');
          expect(now).toBeDefined();
          expect(everything).not.toContain(now);
        },
      );
      note('a killed gateway, all of its processes (same port)', atWhole);

      // And its disk was hit as well: nothing but the control plane knows the routes then.
      const folder = join(sandbox.stateDir, 'environments', 'development', 'gateway');
      await writeFile(join(folder, 'table.json'), 'garbage');
      const all = ['gateway/main', 'gateway/worker/main'].flatMap((name) => processesOf(sandbox.stateDir, name));
      const atTable = await outage(
        users,
        () => {
          for (const pid of all) process.kill(pid, 'SIGKILL');
        },
        async () => {
          expect((await readdir(folder)).some((name) => name.startsWith('table.json.corrupt-'))).toBe(true);
          expect(await sandbox.ask()).toMatch(/^200 /);
        },
      );
      note('a killed gateway, its table damaged', atTable);

      const instances = processesOf(sandbox.stateDir, 'server.mjs');
      expect(instances).toHaveLength(2);
      const [victim = 0] = instances;
      const atInstance = await outage(
        users,
        () => process.kill(victim, 'SIGKILL'),
        async () => {
          const now = processesOf(sandbox.stateDir, 'server.mjs');
          expect(now).toHaveLength(2);
          expect(now).not.toContain(victim);
          expect((await sandbox.veza(['status'])).stdout).toContain('2/2');
        },
      );
      note('a killed instance', atInstance);

      const [collector = 0] = processesOf(sandbox.stateDir, 'log-collector');
      const atCollector = await outage(
        users,
        () => process.kill(collector, 'SIGKILL'),
        async () => {
          const [now] = processesOf(sandbox.stateDir, 'log-collector');
          expect(now).toBeDefined();
          expect(now).not.toBe(collector);
          expect((await sandbox.veza(['logs', 'hello', '--tail', '50'])).stdout.match(/hello from \d+/g)).toHaveLength(
            3,
          );
        },
      );
      note('a killed log collector', atCollector);
      expect(atCollector.failed).toBe(0);

      const control = Number(await sandbox.controlPid());
      const atControl = await outage(
        users,
        () => process.kill(control, 'SIGKILL'),
        () => expect(gone(control)).toBe(true),
      );
      await refuses('a killed control plane', sandbox, ['status'], {
        status: 6,
        code: 'control-plane-not-running',
        message: /No control plane is running/,
        hint: /veza up/,
      });
      await succeedsPlainly(sandbox.veza(['up']));
      note('a killed control plane, `up` again', atControl);
      expect(atControl.failed).toBe(0);
      expect((await succeedsPlainly(sandbox.veza(['status']))).stdout).toContain('2/2');
      // The journal says what nobody was there to see.
      const { stdout: events } = await succeedsPlainly(sandbox.veza(['events']));
      expect(events).toMatch(/router of development restarted: The gateway \(process \d+\) had died with all its/);
    } finally {
      await users.stop();
    }
  });

  test('embedded PostgreSQL', async () => {
    await using sandbox = await Sandbox.create({
      service: { resources: ['db'] },
      platform: { resources: { db: { kind: 'postgres' } } },
    });
    await succeedsPlainly(sandbox.veza(['up']));
    const resource = async (): Promise<{ state: string; address: string }> => {
      const { stdout } = await succeedsPlainly(sandbox.veza(['status', '--json']));
      const { resources } = JSON.parse(stdout) as { resources: { state: string; address: string }[] };
      return resources[0] ?? { state: 'none', address: '' };
    };
    const { state, address } = await resource();
    expect(state).toBe('ready');
    const port = address.split(':')[1] ?? 'unknown';
    // It may run as another user, in a folder of that one; its port is in its command line, and nobody else's.
    const [postmaster = 0] = processesOf('', `port=${port}`).concat(processesOf('', `-p ${port}`));
    expect(postmaster).toBeGreaterThan(0);
    process.kill(postmaster, 'SIGKILL');
    await until(() => expect(gone(postmaster)).toBe(true));
    await until(async () => expect(await resource()).toMatchObject({ state: 'ready' }));
    expect(await sandbox.log()).toContain('resource db is gone; it is started again');
    rows.push({
      scenario: 'a killed PostgreSQL',
      status: 0,
      line: 'control.log: resource db is gone; it is started again',
    });
  });
});

interface Users {
  readonly counts: () => { readonly asked: number; readonly failed: number };
  readonly stop: () => Promise<void>;
}

/** Somebody who asks for the page, one new connection after the other, a hundred times a second at most. */
function startUsers(sandbox: Sandbox): Users {
  let asked = 0;
  let failed = 0;
  const leave = new AbortController();
  const asking = (async () => {
    while (!leave.signal.aborted) {
      if ((await sandbox.ask()) !== '200 v1') failed += 1;
      asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    counts: () => ({ asked, failed }),
    stop: async () => {
      leave.abort();
      await asking;
    },
  };
}

interface Outage {
  readonly asked: number;
  readonly failed: number;
  readonly ms: number;
}

/** What users met from the harm until all is well again and thirty more had been served. */
async function outage(users: Users, harm: () => void, well: () => Promise<void> | void): Promise<Outage> {
  const before = users.counts();
  const since = performance.now();
  harm();
  await until(well);
  const ms = Math.round(performance.now() - since);
  let { asked, failed } = users.counts();
  await until(() => {
    const now = users.counts();
    if (now.failed > failed) ({ asked, failed } = now);
    expect(now.asked).toBeGreaterThan(asked + 30);
  });
  return { asked: users.counts().asked - before.asked, failed: users.counts().failed - before.failed, ms };
}

function note(scenario: string, { asked, failed, ms }: Outage): void {
  rows.push({ scenario, status: 0, line: `back after ${ms} ms; ${failed} of ${asked} requests failed meanwhile` });
}

/** Changes one bit of the first place where the text stands, whatever protects the file. */
async function change(file: string, text: string): Promise<void> {
  await chmod(file, 0o600);
  const bytes = await readFile(file);
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThan(0);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(file, bytes);
}

const mount = (...args: readonly string[]): boolean => spawnSync('mount', args).status === 0;

function skipUnless(context: TestContext, possible: boolean, what: string): void {
  context.skip(!possible, `needs ${what}`);
}
