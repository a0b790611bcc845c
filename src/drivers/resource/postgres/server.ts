import { type ChildProcess, spawn } from 'node:child_process';
import { hash as digest, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, lstat, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ResourceUnavailableError } from '../../../errors.ts';
import type { Binaries } from './binaries.ts';
import { findPostmaster, type Postmaster, removeStalePidFile } from './postmaster.ts';
import { asUser, type RunAs } from './run-as.ts';

export interface ServerOptions {
  /** Name of the resource, for messages. */
  readonly name: string;
  /** Folder for data, log and socket; belongs to the user that PostgreSQL runs as. */
  readonly home: string;
  /** Address of this machine that it listens on. */
  readonly host: string;
  readonly port: number;
  readonly superuser: string;
  readonly superuserPassword: string;
}

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 20_000;
const POLL_MS = 15;

// Small, since it shares the machine with what it serves; what protects the data (fsync, full_page_writes) is as always.
const SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '64MB',
  max_connections: '100',
  io_method: 'sync',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  client_connection_check_interval: '1s',
  // One log a weekday, overwritten a week later: bounded, and written on while no control plane runs.
  logging_collector: 'on',
  log_filename: 'postgresql-%a.log',
  log_truncate_on_rotation: 'on',
  log_rotation_age: '1d',
  log_rotation_size: '0',
};

/**
 * Who may come at all (pg_hba.conf): everybody by password, from this machine and from the networks that it is itself part of. It
 * listens on one address only, so those are the loopback network, or the bridge that containers of the environment are on.
 */
const ACCESS = ['local all all', 'host all all samehost', 'host all all samenet']
  .map((line) => `${line} scram-sha-256\n`)
  .join('');

/** One PostgreSQL server of this machine: its data folder, its process. It outlives the process that starts it. */
export class Server {
  readonly #options: ServerOptions;
  readonly #binaries: () => Promise<Binaries>;
  readonly #runAs: RunAs;

  constructor(options: ServerOptions, binaries: () => Promise<Binaries>, runAs: RunAs) {
    this.#options = options;
    this.#binaries = binaries;
    this.#runAs = runAs;
  }

  get dataDirectory(): string {
    return join(this.#options.home, 'data');
  }

  /** Short, since the path of a Unix socket has at most 107 bytes. */
  get socketDirectory(): string {
    return `/tmp/veza-pg-${digest('sha256', this.#options.home, 'hex').slice(0, 12)}`;
  }

  async running(): Promise<Postmaster | null> {
    const data = await realpath(this.dataDirectory).catch(() => null);
    return data === null ? null : findPostmaster(data);
  }

  /** Starts it, or finds that it runs. @throws ResourceUnavailableError saying what stands in the way. */
  async start(signal: AbortSignal): Promise<void> {
    const running = await this.running();
    if (running !== null) {
      const { host, port } = this.#options;
      if (running.port !== port || (running.host !== '' && running.host !== host)) {
        throw this.#failure(
          `it listens on ${running.host}:${running.port}, not on ${host}:${port}`,
          'Stop it first (`veza down`), so that it can be started on the other address.',
        );
      }
      // Null when it was about to end: then it is started like any other.
      if ((await this.#untilReady(null, signal)) === 'ready') return;
    }
    const binaries = await this.#binaries();
    await this.#prepareData(binaries, signal);
    await this.#requireFreePort();
    await removeStalePidFile(await realpath(this.dataDirectory));
    await this.#launch(binaries, signal);
  }

  /** Ends it (sessions are closed, what is committed is kept). Resolves when it is gone. */
  async stop(signal: AbortSignal): Promise<void> {
    const running = await this.running();
    if (running !== null) {
      // "Fast" shutdown first, "immediate" when that hangs: then the next start replays the log.
      kill(running.pid, 'SIGINT');
      const immediateAt = performance.now() + STOP_DEADLINE_MS;
      let immediate = false;
      while ((await this.running())?.pid === running.pid) {
        if (!immediate && performance.now() > immediateAt) {
          kill(running.pid, 'SIGQUIT');
          immediate = true;
        }
        await delay(POLL_MS, undefined, { signal });
      }
    }
    await rm(this.socketDirectory, { recursive: true, force: true });
  }

  /** Makes the data folder when there is none; complete or not at all. */
  async #prepareData(binaries: Binaries, signal: AbortSignal): Promise<void> {
    const version = await readFile(join(this.dataDirectory, 'PG_VERSION'), 'utf8').catch(() => null);
    if (version !== null) {
      if (version.trim() === binaries.major) return;
      throw this.#failure(
        `its data folder ${this.dataDirectory} was written by PostgreSQL ${version.trim()}, this is ${binaries.major}`,
        `Dump the data with PostgreSQL ${version.trim()}, move the folder away, start again, and load the dump.`,
      );
    }
    const fresh = `${this.dataDirectory}.new`;
    const passwordFile = join(this.#options.home, 'initdb.password');
    await rm(fresh, { recursive: true, force: true });
    try {
      await this.#writeOwned(passwordFile, `${this.#options.superuserPassword}\n`);
      const args = ['-D', fresh, '-U', this.#options.superuser, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
      args.push('--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8');
      args.push('--no-instructions');
      const { child, log } = await this.#spawn(binaries.initdb, args, 'initdb.log', false);
      const [status, endSignal] = await finished(child, signal);
      if (status !== 0) throw await this.#diagnose(log, status, endSignal, 'could not make its data folder');
      await rename(fresh, this.dataDirectory);
    } finally {
      await rm(passwordFile, { force: true });
      await rm(fresh, { recursive: true, force: true });
    }
  }

  async #requireFreePort(): Promise<void> {
    const probe = createServer();
    try {
      probe.listen(this.#options.port, this.#options.host);
      await once(probe, 'listening');
    } catch (error) {
      const reason =
        error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' ? 'is in use' : String(error);
      throw this.#failure(
        `port ${this.#options.port} on ${this.#options.host} ${reason}`,
        `See who has it with \`ss -ltnp 'sport = :${this.#options.port}'\`, and stop that or give this resource another port.`,
      );
    } finally {
      await new Promise((resolve) => {
        probe.close(resolve);
      });
    }
  }

  async #launch(binaries: Binaries, signal: AbortSignal): Promise<void> {
    await this.#prepareSocketDirectory();
    const accessFile = join(this.#options.home, 'access.conf');
    await this.#writeOwned(accessFile, ACCESS);
    const settings = Object.entries({
      ...SETTINGS,
      port: String(this.#options.port),
      listen_addresses: this.#options.host,
      hba_file: join(await realpath(this.#options.home), 'access.conf'),
      unix_socket_directories: this.socketDirectory,
      log_directory: join(await realpath(this.#options.home), 'log'),
    });
    const args = [
      '-D',
      await realpath(this.dataDirectory),
      ...settings.flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ];
    const deadline = performance.now() + START_DEADLINE_MS;
    for (;;) {
      const { child, log } = await this.#spawn(binaries.postgres, args, 'start.log', true);
      const outcome = await this.#untilReady(child, signal);
      child.unref();
      if (outcome === 'ready') return;
      // The children of a server that was killed hold its shared memory for a moment.
      const lingering = (await log()).includes('shared memory block') && performance.now() < deadline;
      if (!lingering) throw await this.#diagnose(log, child.exitCode, child.signalCode, 'it ended while starting');
      await delay(POLL_MS * 4, undefined, { signal });
    }
  }

  /** In a folder that everybody may write to, so what is there already must be ours. */
  async #prepareSocketDirectory(): Promise<void> {
    await mkdir(this.socketDirectory, { recursive: true, mode: 0o700 });
    const found = await lstat(this.socketDirectory);
    const owners = [process.getuid?.() ?? 0, this.#runAs.kind === 'user' ? this.#runAs.uid : -1];
    if (!found.isDirectory() || !owners.includes(found.uid) || (found.mode & 0o077) !== 0) {
      throw this.#failure(`${this.socketDirectory} belongs to somebody else`, 'Find out who made it, and remove it.');
    }
    await this.#own(this.socketDirectory);
  }

  /** Waits until connections are accepted, or until the server (the child, when it is ours) has ended. */
  async #untilReady(child: ChildProcess | null, signal: AbortSignal): Promise<'ready' | 'ended'> {
    const deadline = performance.now() + START_DEADLINE_MS;
    try {
      for (;;) {
        const ended = child !== null && (child.exitCode !== null || child.signalCode !== null);
        const running = await this.running();
        if (running?.ready === true) return 'ready';
        if (ended || (child === null && running === null)) return 'ended';
        if (performance.now() > deadline) {
          throw this.#failure(
            `it accepts no connections after ${START_DEADLINE_MS / 1000} s`,
            `See its log in ${join(this.#options.home, 'log')}; after a crash of the machine recovery may take longer: try again.`,
          );
        }
        await delay(POLL_MS, undefined, { signal });
      }
    } catch (error) {
      child?.kill('SIGQUIT');
      throw error;
    }
  }

  async #spawn(
    program: string,
    args: readonly string[],
    logName: string,
    detached: boolean,
  ): Promise<{ child: ChildProcess; log: () => Promise<string> }> {
    const log = join(this.#options.home, logName);
    await this.#writeOwned(log, '');
    const collected = this.#collectedLog();
    const before = (await stat(collected).catch(() => null))?.size ?? 0;
    const handle = await open(log, 'a');
    try {
      const command = asUser(this.#runAs, program, args);
      const child = spawn(command.program, command.args, {
        ...command.options,
        cwd: this.#options.home,
        detached,
        stdio: ['ignore', handle.fd, handle.fd],
        // Nothing of ours: PostgreSQL reads PG* variables, and hands its environment on to extensions.
        env: { LC_ALL: 'C', PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      });
      await once(child, 'spawn').catch((error: unknown) => {
        throw this.#failure(`${program} cannot be run: ${String(error)}`, 'Check the permissions of the file.');
      });
      return { child, log: async () => (await tail(log, 0)) + (await tail(collected, before)) };
    } finally {
      await handle.close();
    }
  }

  async #diagnose(
    log: () => Promise<string>,
    status: number | null,
    endSignal: NodeJS.Signals | null,
    what: string,
  ): Promise<ResourceUnavailableError> {
    const text = await log();
    if (text.includes('No space left on device')) {
      return this.#failure('the disk is full', `Free some space on the disk of ${this.#options.home}, then try again.`);
    }
    if (text.includes('Address already in use')) {
      return this.#failure(
        `port ${this.#options.port} on ${this.#options.host} is in use`,
        'Give this resource another port, or stop what uses it.',
      );
    }
    const how = endSignal === null ? `status ${status ?? '?'}` : `killed by ${endSignal}`;
    const words =
      text.split('\n').findLast((line) => /FATAL|PANIC|error:/.test(line)) ??
      text.trim().split('\n').slice(-3).join(' ');
    return this.#failure(
      `${what} (${how}${words === '' ? '' : `: ${words.trim()}`})`,
      `See the logs in ${this.#options.home}, then try again.`,
    );
  }

  /** Today's log; see `log_filename`. */
  #collectedLog(): string {
    const day = new Intl.DateTimeFormat('en', { weekday: 'short', timeZone: 'UTC' }).format(new Date());
    return join(this.#options.home, 'log', `postgresql-${day}.log`);
  }

  async #writeOwned(file: string, text: string): Promise<void> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await this.#own(dirname(file));
    await writeFile(file, text, { mode: 0o600 });
    await this.#own(file);
  }

  async #own(path: string): Promise<void> {
    if (this.#runAs.kind === 'user') await chown(path, this.#runAs.uid, this.#runAs.gid);
  }

  #failure(reason: string, hint: string): ResourceUnavailableError {
    return new ResourceUnavailableError(this.#options.name, reason, hint);
  }
}

/** Waits for the end of a child that must not outlive the wait. */
async function finished(child: ChildProcess, signal: AbortSignal): Promise<[number | null, NodeJS.Signals | null]> {
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    signal.throwIfAborted();
    return [child.exitCode, child.signalCode];
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between, which is what was wanted.
  }
}

/** A password that needs no escaping in a URL. */
export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

async function tail(file: string, from: number): Promise<string> {
  const text = await readFile(file).catch(() => Buffer.alloc(0));
  return text.subarray(from).toString().slice(-4000);
}
