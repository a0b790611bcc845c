import { parseArgs } from 'node:util';
import { createLog } from '../log.ts';
import { Worker } from './worker.ts';

// A worker of the gateway, started by its supervisor with an IPC channel for listening sockets:
//   node worker/main.ts --state-dir DIR --socket PATH --home PATH --generation N --index N

const { values } = parseArgs({
  options: {
    'state-dir': { type: 'string', default: '' },
    socket: { type: 'string', default: '' },
    home: { type: 'string', default: '' },
    generation: { type: 'string', default: '' },
    index: { type: 'string', default: '' },
  },
});
const log = createLog((line) => process.stderr.write(`${line}\n`), Date.now);

// Nothing that a single request does may end the process; what got here is reported and the others go on.
process.on('uncaughtException', (error) => log('error', 'uncaught', { message: error.stack ?? error.message }));
process.on('unhandledRejection', (reason) => log('error', 'unhandled-rejection', { message: String(reason) }));

const worker = new Worker({
  stateDir: values['state-dir'],
  socket: values.socket,
  home: values.home,
  generation: Number(values.generation),
  index: Number(values.index),
  log,
});
await worker.run();
