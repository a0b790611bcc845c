import { createLog } from './log.ts';
import { baseSettings, SettingsRefused } from './settings.ts';

interface Program {
  readonly name: string;
  start(environment: NodeJS.ProcessEnv): Promise<{ stop(): Promise<void> }>;
  describe(environment: NodeJS.ProcessEnv): Promise<object>;
}

/** From sysexits.h: the configuration is wrong, so starting again will not help. */
const EX_CONFIG = 78;
const EX_USAGE = 64;

/** Runs a service as a program: its subcommands, its signals, its exit status. */
export async function runProgram(program: Program): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  switch (command) {
    case undefined:
      await serve(program);
      return;
    case 'healthcheck':
      process.exitCode = (await isHealthy(rest[0] === 'livez' ? 'livez' : 'readyz')) ? 0 : 1;
      return;
    case 'openapi':
      await orRefuse(async () => {
        process.stdout.write(`${JSON.stringify(await program.describe(process.env), null, 2)}\n`);
      });
      return;
    default:
      process.stderr.write(
        `${program.name}: no subcommand of that name; there are healthcheck [livez|readyz] and openapi\n`,
      );
      process.exitCode = EX_USAGE;
  }
}

async function serve(program: Program): Promise<void> {
  const log = createLog({ level: 'info', base: { service: program.name } });
  const die = (error: unknown): void => {
    log.fatal({ error }, 'an error that nobody expected: ending');
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  // Asked to stop while it starts, it stops once it has.
  const asked = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  await orRefuse(async () => {
    const service = await program.start(process.env);
    await asked;
    await service.stop();
    process.exit(0);
  });
}

async function orRefuse(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof SettingsRefused) {
      process.stderr.write(`${error.message}\n`);
      process.exit(EX_CONFIG);
    }
    throw error;
  }
}

/** Asks the instance that runs with this environment. For container runtimes, which may have no curl. */
async function isHealthy(path: 'livez' | 'readyz'): Promise<boolean> {
  const { HOST, PORT } = baseSettings
    .pick({ HOST: true, PORT: true })
    .parse(Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== '')));
  const host = HOST === '0.0.0.0' ? '127.0.0.1' : HOST === '::' ? '[::1]' : HOST.includes(':') ? `[${HOST}]` : HOST;
  try {
    const answer = await fetch(`http://${host}:${PORT}/${path}`, { signal: AbortSignal.timeout(2000) });
    if (answer.ok) return true;
    process.stderr.write(`${path}: status ${answer.status}\n`);
  } catch {
    process.stderr.write(`${path}: no answer\n`);
  }
  return false;
}
