import net, { type AddressInfo, type Socket } from 'node:net';

// An instance that does not keep up, as a process of its own, so that what it does costs the gateway's process nothing but what
// comes over the wire. Says its port on the first line; ends with its parent.

const behaviours: Readonly<Record<string, (socket: Socket) => void>> = {
  /** Never answers. */
  hang: () => {},
  /** Sends two gigabytes, as fast as they are taken. */
  flood: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
    const piece = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x10_0000, 'x'), Buffer.from('\r\n')]);
    let left = 2_048;
    const more = (): void => {
      while (left > 0 && !socket.destroyed) {
        left -= 1;
        if (!socket.write(piece)) {
          socket.once('drain', more);
          return;
        }
      }
    };
    more();
  },
  reset: (socket) => void socket.resetAndDestroy(),
  slow: (socket) => void setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'), 400),
  /** A byte at a time, for ever. */
  trickle: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n');
    const timer = setInterval(() => socket.write('x'), 20);
    socket.once('close', () => clearInterval(timer));
  },
};

const behave = behaviours[process.argv[2] ?? ''];
if (behave === undefined) throw new Error(`one of ${Object.keys(behaviours).join(', ')}`);
const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.on('data', () => behave(socket));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
