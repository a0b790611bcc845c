import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from '../../src/drivers/resource/postgres/embedded.ts';
import { ExternalPostgres } from '../../src/drivers/resource/postgres/external.ts';
import { homeFor, OTHER_USER_ROOT, otherUser } from '../../src/drivers/resource/postgres/run-as.ts';
import { ResourceUnavailableError } from '../../src/errors.ts';
import { caught, query, resourceContract } from './resource.suite.ts';
import { freePort } from '../../src/system/free-port.ts';

const never = new AbortController().signal;
const isRoot = process.getuid?.() === 0;
async function embedded(root: string, more: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgresOptions> {
  return {
    name: 'database',
    database: 'music',
    directory: join(root, 'database'),
    cacheDirectory: join(root, 'cache'),
    host: '127.0.0.1',
    port: await freePort('127.0.0.1', 0),
    ...more,
  };
}

resourceContract('embedded PostgreSQL', async () => {
  const root = mkdtempSync(join(tmpdir(), 'veza-resource-'));
  const options = await embedded(root);
  return {
    driver: () => new EmbeddedPostgres(options),
    dispose: async () => {
      await new EmbeddedPostgres(options).stop(never);
      rmSync(root, { recursive: true, force: true });
    },
  };
});

resourceContract('external PostgreSQL', async () => {
  const root = mkdtempSync(join(tmpdir(), 'veza-resource-'));
  const server = new EmbeddedPostgres(await embedded(root));
  await server.start(never);
  const { url } = await server.connection();
  return {
    driver: () => new ExternalPostgres('database', async () => Promise.resolve(url)),
    dispose: async () => {
      await server.stop(never);
      rmSync(root, { recursive: true, force: true });
    },
  };
});

describe('embedded PostgreSQL: a server', () => {
  let root: string;
  let options: EmbeddedPostgresOptions;
  const started: EmbeddedPostgres[] = [];
  const driver = (more: Partial<EmbeddedPostgresOptions> = {}): EmbeddedPostgres => {
    const made = new EmbeddedPostgres({ ...options, ...more });
    started.push(made);
    return made;
  };
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'veza-postgres-'));
    options = await embedded(root);
  });
  afterEach(async () => {
    for (const each of started.splice(0)) await each.stop(never);
    rmSync(root, { recursive: true, force: true });
  });

  it('listens on the address that instances reach this machine at, and there alone', async () => {
    const elsewhere = driver({ host: '127.0.0.2' });
    await elsewhere.start(never);
    const { url } = await elsewhere.connection();
    expect(new URL(url).hostname).toBe('127.0.0.2');
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await expect(query(url.replace('127.0.0.2', '127.0.0.1'), 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
    await expect(driver().start(never)).rejects.toThrow(/it listens on 127\.0\.0\.2:\d+, not on 127\.0\.0\.1:\d+/);
  });

  it('starts quickly once its data is there, keeps its data, and is adopted by another driver', async () => {
    const first = driver();
    await first.start(never);
    const { url } = await first.connection();
    await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const { pid } = await first.status();
    expect(await driver().status()).toMatchObject({ state: 'ready', pid });
    await driver().start(never);
    expect((await driver().status()).pid).toBe(pid);

    await first.stop(never);
    expect(await driver().status()).toMatchObject({ state: 'stopped', pid: null });
    const before = performance.now();
    const second = driver();
    await second.start(never);
    // 0.2 s on an idle machine; the limit leaves room for a busy one.
    expect(performance.now() - before).toBeLessThan(5000);
    expect((await second.connection()).url).toBe(url);
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('asks for the password, on TCP and on its socket, and gives services a role that is no superuser', async () => {
    const server = driver();
    await Promise.all([server.start(never), server.start(never)]);
    const { url } = await server.connection();
    const wrong = new URL(url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    const other = new ExternalPostgres('database', async () => Promise.resolve(wrong.href));
    const error = await caught(other.start(never));
    expect(error.message).toContain('refuses the login');
    expect(error.message).not.toContain('guess');
    expect(await query(url, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toEqual([
      { rolsuper: false },
    ]);
    expect(await query(url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
    const socketDirectory =
      readFileSync(join(options.directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[4] ?? '';
    const socketUrl = `postgres://music:guess@/music?host=${socketDirectory}&port=${options.port}`;
    await expect(query(socketUrl, 'SELECT 1')).rejects.toThrow('password authentication failed');
    for (const file of ['owner.password', 'superuser.password']) {
      expect(statSync(join(options.directory, file)).mode & 0o077).toBe(0);
    }
    expect(readdirSync(options.directory).filter((name) => name.includes('initdb.password'))).toEqual([]);
  });

  it('comes back after SIGKILL with everything that was committed', async () => {
    const server = driver();
    await server.start(never);
    const { url } = await server.connection();
    await query(url, 'CREATE TABLE kept AS SELECT 7 AS seven');
    const { pid } = await server.status();
    if (pid === null) throw new Error('no pid');
    process.kill(pid, 'SIGKILL');
    await driver().start(never);
    expect(await query(url, 'SELECT seven FROM kept')).toEqual([{ seven: 7 }]);
    expect((await server.status()).pid).not.toBe(pid);
  });

  it('is not fooled by a pid file whose pid is somebody else now', async () => {
    const server = driver();
    await server.start(never);
    await server.stop(never);
    // This very process: alive, and no PostgreSQL.
    writeFileSync(
      join(options.directory, 'data', 'postmaster.pid'),
      `${process.pid}\n/elsewhere\n1\n${options.port}\n`,
    );
    expect((await server.status()).state).toBe('stopped');
    await server.start(never);
    expect((await server.status()).state).toBe('ready');
  });

  it('says that its port is in use', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => {
      squatter.listen(options.port, '127.0.0.1', resolve);
    });
    try {
      const error = await caught(driver().start(never));
      expect(error).toBeInstanceOf(ResourceUnavailableError);
      expect(error.message).toContain(`port ${options.port} on 127.0.0.1 is in use`);
      expect(error.hint).toContain('another port');
    } finally {
      squatter.close();
    }
  });

  it('says that its data is of another version', async () => {
    mkdirSync(join(options.directory, 'data'), { recursive: true });
    writeFileSync(join(options.directory, 'data', 'PG_VERSION'), '12\n');
    const error = await caught(driver().start(never));
    expect(error.message).toContain('written by PostgreSQL 12');
    expect(error.hint).toContain('Dump the data');
  });

  it('says that its data is damaged, in the words of PostgreSQL', async () => {
    const server = driver();
    await server.start(never);
    await server.stop(never);
    rmSync(join(options.directory, 'data', 'global', 'pg_control'));
    const error = await caught(server.start(never));
    expect(error.message).toContain('pg_control');
    expect(error.message).toContain('status');
  });

  it.runIf(process.platform === 'linux')(
    'says that it was killed while starting, and starts the next time',
    async () => {
      const starting = caught(driver().start(never));
      const fresh = join(options.directory, 'data.new');
      // initdb, or what it runs: whichever is found first by the folder in its arguments.
      const worker = (): number | undefined =>
        readdirSync('/proc')
          .map(Number)
          .find((pid) => {
            try {
              const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
              return pid > 1 && command.includes('initdb') && command.includes(fresh);
            } catch {
              return false;
            }
          });
      const deadline = performance.now() + 10_000;
      let pid = worker();
      while (pid === undefined && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        pid = worker();
      }
      process.kill(pid ?? Number.NaN, 'SIGKILL');
      expect((await starting).message).toContain('killed by SIGKILL');
      expect(existsSync(fresh)).toBe(false);
      await driver().start(never);
      expect((await driver().status()).state).toBe('ready');
    },
  );

  it('begins again cleanly when it was aborted while making its data', async () => {
    const abort = new AbortController();
    const starting = driver().start(abort.signal);
    const deadline = performance.now() + 10_000;
    while (!existsSync(join(options.directory, 'data.new')) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    abort.abort(new Error('changed my mind'));
    await expect(starting).rejects.toThrow('changed my mind');
    expect(existsSync(join(options.directory, 'data'))).toBe(false);
    await driver().start(never);
    expect((await driver().status()).state).toBe('ready');
  });

  it.skipIf(!isRoot)('says that the disk is full (root only: needs a small tmpfs)', async (context) => {
    mkdirSync(options.directory);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'veza-test', options.directory], {
      encoding: 'utf8',
    });
    if (mounted.status !== 0) {
      console.warn(`SKIPPED: cannot mount a small tmpfs here (${mounted.stderr.trim()})`);
      return context.skip();
    }
    try {
      const error = await caught(driver().start(never));
      expect(error.message).toContain('the disk is full');
      expect(error.hint).toContain('Free some space');
    } finally {
      spawnSync('umount', [options.directory]);
    }
    return undefined;
  });

  describe.skipIf(!isRoot)('as another user, where user namespaces are not allowed (root only)', () => {
    const existedBefore = existsSync(OTHER_USER_ROOT);
    let home = '';
    afterAll(() => {
      rmSync(existedBefore ? home : OTHER_USER_ROOT, { recursive: true, force: true });
    });
    it('runs with files that this user can reach', async () => {
      const runAs = await otherUser();
      home = homeFor(runAs, options.directory);
      const server = driver({ runAs });
      await server.start(never);
      const { pid } = await server.status();
      if (runAs.kind !== 'user') throw new Error('expected another user');
      expect(readFileSync(`/proc/${pid ?? 0}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\t${runAs.uid}\\t`, 'm'));
      expect(await query((await server.connection()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });
  });

  it('can unpack its programs into the cache, links included', async () => {
    const { findBinaries } = await import('../../src/drivers/resource/postgres/binaries.ts');
    const { initdb, major } = await findBinaries(options.cacheDirectory, true);
    expect(initdb.startsWith(options.cacheDirectory)).toBe(true);
    const { stdout, status } = spawnSync(initdb, ['--version'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain(`PostgreSQL) ${major}`);
    const again = await findBinaries(options.cacheDirectory, true);
    expect(again.initdb).toBe(initdb);
    expect(readdirSync(options.cacheDirectory)).toHaveLength(1);
  });
});

describe('external PostgreSQL: an address that is wrong', () => {
  it.each([
    [
      'nobody listens',
      async () => `postgres://user:s3cret@127.0.0.1:${await freePort('127.0.0.1', 0)}/db`,
      'no connection to 127.0.0.1',
    ],
    ['it is no URL', async () => Promise.resolve('s3cret'), 'its address is not a URL'],
  ])('is said so without its password: %s', async (_, url, expected) => {
    const driver = new ExternalPostgres('database', url);
    const error = await caught(driver.start(never));
    expect(error).toBeInstanceOf(ResourceUnavailableError);
    expect(error.message).toContain(expected);
    expect(`${error.message} ${error.hint}`).not.toContain('s3cret');
    const status = await driver.status();
    expect(status.state).toBe('unready');
    expect(JSON.stringify(status)).not.toContain('s3cret');
  });
});
