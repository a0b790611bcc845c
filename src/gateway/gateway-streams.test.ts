import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { openEvents, openWebSocket } from '../../test/contract/router-client.ts';
import { testEntry } from './testing-entry.ts';
import { startGateway, type TestGateway } from './testing-gateway.ts';
import { rawClient, rawInstance, until } from './testing-raw.ts';

describe('a gateway that is replaced while streams are open', () => {
  let instance: Server;
  let started: TestGateway;

  beforeEach(async () => {
    instance = createServer((_request, answer) => {
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      answer.write('data: one\n\n');
    });
    const sockets = new WebSocketServer({ server: instance });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    await new Promise<void>((resolve) => instance.listen(0, '127.0.0.1', resolve));
    const { port } = instance.address() as AddressInfo;
    started = await startGateway([
      testEntry({ endpoints: { blue: [{ id: 'a', host: '127.0.0.1', port }], green: [] } }),
    ]);
  });

  afterEach(async () => {
    await started.end();
    instance.closeAllConnections();
    await new Promise((resolve) => instance.close(resolve));
    expect(started.surprises).toEqual([]);
  });

  it('lets a WebSocket live on for the declared time, and then closes it with 1012', async () => {
    const client = await openWebSocket(started.port);
    const events = await openEvents(started.port);
    await until(() => events.text().includes('one'), 'an event');
    const lingerMs = 500;
    const since = performance.now();
    const retired = started.gateway.retire(lingerMs);

    client.socket.send('still there');
    await until(() => client.messages.includes('still there'), 'an echo after the gateway was replaced');
    expect(performance.now() - since).toBeLessThan(lingerMs);

    expect(await client.closed).toEqual({ code: 1012 });
    expect(performance.now() - since).toBeGreaterThanOrEqual(lingerMs - 5);
    expect(await events.ended).toEqual({ clean: true });
    expect(events.text()).toBe('data: one\n\n');
    await retired;
  });
});

it('a client that takes nothing of a complete answer for longer than allowed loses its connection, and frees its memory', async () => {
  const body = 'x'.repeat(8_000_000);
  const instance = await rawInstance(({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  });
  const started = await startGateway([testEntry({ endpoints: { blue: [instance.endpoint], green: [] } })], {
    clientStallMs: 300,
  });
  try {
    const client = await rawClient(started.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => started.gateway.load().inFlight === 1, 'the request is in flight');
    await until(() => started.gateway.load().inFlight === 0, 'the request is given up');
    await until(() => started.gateway.load().connections === 0, 'its connection is gone');
    expect(started.gateway.bufferedBytes()).toBe(0);
    expect(started.records).toHaveLength(1);
    client.socket.destroy();
  } finally {
    await started.end();
    await instance.end();
  }
});
