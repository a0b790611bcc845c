import { once } from 'node:events';
import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createControlServer } from './control-api.ts';
import { Gateway } from './gateway.ts';
import { parseLimits } from './limits.ts';
import { createLog } from './log.ts';
import { gatewayFiles, listens, loadKey, prepareSocket, replaceFile, takeLock } from './state-folder.ts';
import { StickyCookie } from './sticky-cookie.ts';
import { TableFile } from './table-file.ts';

// The gateway's process: node main.ts --state-dir DIR --socket PATH --host HOST --port PORT [--limits JSON]
// It needs no other process. SIGTERM and SIGINT stop it gracefully.

/** Milliseconds that requests in flight get after a signal. */
const signalDrainMs = 30_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'state-dir': { type: 'string' },
      socket: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string' },
      limits: { type: 'string', default: '{}' },
    },
  });
  const stateDir = required('--state-dir', values['state-dir']);
  const socket = required('--socket', values.socket);
  const port = Number(required('--port', values.port));
  const limits = parseLimits(JSON.parse(values.limits));
  const files = gatewayFiles(stateDir);
  const log = createLog((line) => process.stderr.write(`${line}\n`), Date.now);

  // Nothing that a single request does may end the process; what got here is reported and the others go on.
  process.on('uncaughtException', (error) => log('error', 'uncaught', { message: error.stack ?? error.message }));
  process.on('unhandledRejection', (reason) => log('error', 'unhandled-rejection', { message: String(reason) }));

  await mkdir(files.folder, { recursive: true, mode: 0o700 });
  const unlock = await takeLock(files.lock, (pid) => isGateway(pid, stateDir, socket));
  const { key, warning } = await loadKey(files.key);
  if (warning !== null) log('warn', 'cookie-key', { message: warning });
  const gateway = new Gateway({
    limits,
    tableFile: new TableFile(files.table),
    cookie: new StickyCookie(key),
    log,
    wall: Date.now,
    now: () => performance.now(),
    random: Math.random,
  });
  const listen = { host: values.host, port: await gateway.start({ host: values.host, port }) };

  let stopping: Promise<void> | null = null;
  const stop = (drainMs: number): void => {
    stopping ??= (async () => {
      log('info', 'stopping', { drainMs });
      const { left } = await gateway.stop(drainMs);
      control.close();
      control.closeAllConnections();
      await Promise.all([rm(files.running, { force: true }), rm(socket, { force: true }), unlock()]);
      log('info', 'stopped', { reset: left });
      process.exit(0);
    })();
  };
  const control = createControlServer({ gateway, listen, stop });
  await prepareSocket(socket);
  control.listen(socket);
  await once(control, 'listening');
  await chmod(socket, 0o600);
  await replaceFile(files.running, `${JSON.stringify({ pid: process.pid, socket, ...listen })}\n`);
  process.on('SIGTERM', () => stop(signalDrainMs));
  process.on('SIGINT', () => stop(signalDrainMs));
  process.on('SIGHUP', () => {});
  log('info', 'listening', { pid: process.pid, ...listen, services: gateway.observe().length });
}

function required(option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new Error(`${option} is missing`);
  return value;
}

/** Whether a process is the gateway of a state folder: process ids are used again. */
async function isGateway(pid: number, stateDir: string, socket: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return listens(socket);
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(stateDir);
}

main().catch((error: unknown) => {
  process.stderr.write(`${JSON.stringify({ level: 'error', event: 'start-failed', message: messageOf(error) })}\n`);
  process.exit(1);
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
