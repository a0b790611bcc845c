import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { ControlAnswer } from '../core/gateway-control.ts';
import type { CertificateSource, GatewaySettings, HttpsSettings } from '../core/gateway-settings.ts';
import { gatewaySettingsSchema } from '../core/gateway-settings-schema.ts';
import { createControlServer, type UpgradeRequest } from './control-api.ts';
import { DayKey, type DayKeyState } from './edge/day-key.ts';
import { parseLimits } from './limits.ts';
import { createLog, type Log } from './log.ts';
import { gatewayFiles, isGateway, loadKey, nextSocket, prepareSocket, takeLock } from './state-folder.ts';
import { replaceFile } from '../system/replace-file.ts';
import { Predecessor } from './supervisor/predecessor.ts';
import { raiseSuccessor } from './supervisor/raise-successor.ts';
import { Sockets } from './supervisor/sockets.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import { tableOf, type RouteTable } from './table.ts';
import { TableFile } from './table-file.ts';
import type { CertificateKeeper } from './tls/certificate-keeper.ts';

// The gateway's supervisor:
//   node main.ts --state-dir DIR --socket PATH --settings JSON [--limits JSON]
//   node main.ts --state-dir DIR --socket PATH --take-over        with listening sockets and settings by IPC
// It needs no other process. SIGTERM and SIGINT stop it gracefully, its workers too.

/** Milliseconds that requests in flight get after a signal. */
const signalDrainMs = 30_000;
/** Milliseconds that workers of a supervisor that died get to report what they have counted. */
const holdCountsMs = 1_500;

/** What a supervisor begins with. */
interface Beginning {
  readonly generation: number;
  readonly settings: GatewaySettings;
  readonly limits: Readonly<Record<string, number>>;
  readonly table: RouteTable;
  readonly warning: string | null;
  readonly sockets: Sockets;
  readonly dayKey: DayKeyState | null;
  /** As in the message `take-over`; null: begin whatever certificates there are. */
  readonly unusableBefore: readonly CertificateSource[] | null;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'state-dir': { type: 'string' },
      socket: { type: 'string' },
      settings: { type: 'string' },
      limits: { type: 'string', default: '{}' },
      'take-over': { type: 'boolean', default: false },
    },
  });
  const stateDir = required('--state-dir', values['state-dir']);
  const socket = required('--socket', values.socket);
  const files = gatewayFiles(stateDir);
  const log = createLog((line) => process.stderr.write(`${line}\n`), Date.now);

  // Nothing that a worker or a caller does may end the process; what got here is reported and the others go on.
  process.on('uncaughtException', (error) => log('error', 'uncaught', { message: error.stack ?? error.message }));
  process.on('unhandledRejection', (reason) => log('error', 'unhandled-rejection', { message: String(reason) }));

  await mkdir(files.folder, { recursive: true, mode: 0o700 });
  let supervisor: Supervisor | null = null;
  const predecessor = values['take-over']
    ? new Predecessor(() => {
        log('warn', 'take-over-called-off');
        supervisor?.leave();
        process.exit(1);
      })
    : null;
  let unlock = (): Promise<void> => rm(files.lock, { force: true });
  if (predecessor === null) unlock = await takeLock(files.lock, (pid) => isGateway(pid, stateDir, socket));
  const tableFile = new TableFile(files.table);
  try {
    const beginning =
      predecessor === null
        ? await begin(required('--settings', values.settings), values.limits, tableFile)
        : await takeOver(predecessor);
    const { key, warning } = await loadKey(files.key);
    const settings = await beginning.sockets.openPublic(beginning.settings);
    const listening = nextSocket(socket);
    const dayKey = new DayKey(beginning.dayKey, Date.now());
    let inCharge = false;
    let noting: Promise<void> = Promise.resolve();
    /** Says who runs; also which workers would go on without the supervisor. */
    const note = (pids: readonly number[]): void => {
      if (!inCharge) return;
      const { allPids: all } = running;
      const { generation } = beginning;
      const text = `${JSON.stringify({ pid: process.pid, generation, socket, ...settings.http, workers: pids, all })}\n`;
      noting = noting
        .then(() => (inCharge ? replaceFile(files.running, text) : undefined))
        .catch((error: unknown) => log('error', 'not-noted', { message: messageOf(error) }));
    };
    const running = new Supervisor({
      generation: beginning.generation,
      version: await programVersion(),
      stateDir,
      connectTo: listening,
      home: socket,
      settings,
      limits: beginning.limits,
      table: beginning.table,
      tableFile,
      sockets: beginning.sockets,
      cookieKey: key.toString('base64'),
      ticketKeys: randomBytes(48).toString('base64'),
      dayKey,
      workers: settings.workers ?? availableParallelism(),
      holdCountsMs: predecessor === null ? 0 : holdCountsMs,
      log,
      wall: Date.now,
      now: () => performance.now(),
      onChange: note,
    });
    supervisor = running;
    for (const one of [beginning.warning, warning]) {
      if (one === null) continue;
      running.warn(one);
      log('error', 'found-at-start', { message: one });
    }

    const keeper = settings.https === null ? null : await keepCertificates(settings.https, files.tls, running, log);
    if (keeper !== null) {
      running.askCertificates(() => keeper.status);
      // Workers begin with something to show for each host.
      await keeper.prepare();
      if (beginning.unusableBefore !== null) keeper.refuseIfWorse(beginning.unusableBefore);
    }

    /** Callers and workers find this supervisor from here on. */
    const publish = async (): Promise<void> => {
      // A full disk keeps nobody from being served; whoever listens on the socket holds the folder, too.
      await replaceFile(files.lock, `${process.pid}\n`).catch((error: unknown) =>
        log('error', 'not-noted', { message: messageOf(error) }),
      );
      await rename(listening, socket);
      inCharge = true;
      note(running.pids);
      await noting;
    };

    let stopping: Promise<void> | null = null;
    const calledOff = new AbortController();
    const stop = (drainMs: number): void => {
      stopping ??= (async () => {
        log('info', 'stopping', { drainMs });
        calledOff.abort();
        void keeper?.close();
        await running.stop(drainMs);
        inCharge = false;
        await noting;
        await Promise.all([rm(files.running, { force: true }), rm(socket, { force: true }), unlock()]);
        log('info', 'stopped');
        process.exit(0);
      })();
    };

    const upgrade = (request: UpgradeRequest): Promise<ControlAnswer> =>
      // Alone: the table that the new one is given stays as it is until the new one is in charge.
      running.inTurn(async (): Promise<ControlAnswer> => {
        if (stopping !== null) return refused('The gateway is being stopped.');
        const generation = running.generation + 1;
        log('info', 'upgrading', { program: request.program, generation });
        let overtaken = false;
        const sockets = new Map([...running.sockets].map(({ listener, socket: held }) => [listener.name, held]));
        try {
          const pid = await raiseSuccessor({
            node: request.node,
            program: request.program,
            stateDir,
            socket,
            sockets,
            takeOver: {
              generation,
              settings: request.settings,
              limits: request.limits,
              table: running.assignment.table,
              dayKey: dayKey.state(Date.now()),
              unusableBefore: keeper?.unusable.map(({ source }) => source) ?? [],
            },
            last: async () => {
              // From here on the files are the new one's.
              inCharge = false;
              overtaken = true;
              await noting;
              return { counts: running.freezeCounts(), workers: running.allPids };
            },
            log,
            signal: calledOff.signal,
          });
          leave();
          return { kind: 'upgraded', pid, generation };
        } catch (error) {
          running.thawCounts();
          if (overtaken) {
            // It may have died between taking the control socket and saying so.
            await listen();
            await publish();
          }
          log('error', 'upgrade-failed', { message: messageOf(error) });
          return refused(messageOf(error));
        }
      });

    /** The new supervisor has everything: workers go to it, and this process ends once its callers have their answers. */
    const leave = (): void => {
      running.leave();
      // Its control socket has been replaced; closing it properly would remove the new one's.
      setTimeout(() => process.exit(0), 200);
    };

    /** Listens beside the control socket; `publish` puts it there. */
    const listen = async (): Promise<void> => {
      const renew = async (host: string | null): Promise<boolean> => (await keeper?.renew(host)) ?? false;
      const control = createControlServer({ supervisor: running, log, stop, upgrade, renew });
      await rm(listening, { force: true });
      control.listen(listening);
      await once(control, 'listening');
      await chmod(listening, 0o600);
    };
    await prepareSocket(socket, predecessor !== null);
    await listen();
    await running.start();
    if (predecessor !== null) {
      const { counts, workers } = await predecessor.ready();
      if (counts !== null) running.giveCounts(counts);
      running.expect(workers);
    }
    await publish();
    running.sockets.closeSpare();
    predecessor?.inCharge();
    // Challenges can be answered, and no other supervisor orders any more.
    await keeper?.start();
    if (process.connected) process.disconnect();
    process.on('SIGTERM', () => stop(signalDrainMs));
    process.on('SIGINT', () => stop(signalDrainMs));
    process.on('SIGHUP', () => {});
    flushCompileCache();
    log('info', 'listening', {
      pid: process.pid,
      generation: beginning.generation,
      ...settings.http,
      services: beginning.table.routes.size,
    });
  } catch (error) {
    if (predecessor !== null) {
      supervisor?.leave();
      await predecessor.failed(messageOf(error));
    } else {
      // Nobody else would take its workers: they would listen on, unknown to all, and so would those of the next attempt.
      await supervisor?.stop(0);
      await unlock();
    }
    throw error;
  }
}

async function begin(settingsText: string, limitsText: string, tableFile: TableFile): Promise<Beginning> {
  const limits = JSON.parse(limitsText) as Readonly<Record<string, number>>;
  parseLimits(limits);
  const { table, warning } = await tableFile.load(new Date());
  return {
    generation: 1,
    settings: gatewaySettingsSchema.parse(JSON.parse(settingsText)),
    limits,
    table,
    warning,
    sockets: new Sockets(new Map()),
    dayKey: null,
    unusableBefore: null,
  };
}

async function takeOver(predecessor: Predecessor): Promise<Beginning> {
  const { generation, settings, limits, table, dayKey, unusableBefore = null } = await predecessor.takeOver;
  parseLimits(limits);
  return {
    generation,
    settings: gatewaySettingsSchema.parse(settings),
    limits,
    table: tableOf(table),
    warning: null,
    sockets: new Sockets(predecessor.sockets),
    dayKey,
    unusableBefore,
  };
}

/** Loaded with need only: what makes and orders certificates takes half of the supervisor's memory. */
async function keepCertificates(
  https: HttpsSettings,
  folder: string,
  supervisor: Supervisor,
  log: Log,
): Promise<CertificateKeeper> {
  const { CertificateKeeper: Keeper } = await import('./tls/certificate-keeper.ts');
  return new Keeper({
    https,
    folder,
    log,
    now: Date.now,
    random: Math.random,
    onCertificates: (certificates) => supervisor.setCertificates(certificates),
    onChallenges: (challenges) => supervisor.setChallenges(challenges),
  });
}

/** The same file from sources and from the built package. */
async function programVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

function refused(message: string): ControlAnswer {
  return {
    kind: 'refused',
    code: 'upgrade-failed',
    message: `The gateway was not replaced: ${message}`,
    inForce: null,
  };
}

function required(option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new Error(`${option} is missing`);
  return value;
}

main().catch((error: unknown) => {
  process.stderr.write(`${JSON.stringify({ level: 'error', event: 'start-failed', message: messageOf(error) })}\n`);
  process.exit(1);
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
