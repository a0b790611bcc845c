import { describe, expect, it } from 'vitest';
import { readRequestLine, type Outcome } from './request-line.ts';

const line = (
  fields: Partial<
    Record<'arm' | 'status' | 'end' | 'by' | 'begun' | 'preview' | 'server' | 'service' | 'number' | 'route', string>
  >,
) =>
  [
    'V1 1795438717284245 1795438717276209 1795438717281209',
    fields.service ?? 'web',
    fields.arm ?? 'stable',
    fields.status ?? '200',
    fields.end ?? '--',
    fields.by ?? 'i',
    fields.begun ?? '-',
    fields.preview ?? '-',
    'web.blue',
    fields.server ?? 'a',
    fields.number ?? '7',
    fields.route ?? '- - - -',
  ].join(' ');

describe('a line of HAProxy', () => {
  it('says service, arm, second and how long the answer took', () => {
    expect(readRequestLine(line({ arm: 'candidate' }))).toEqual({
      service: 'web',
      arm: 'candidate',
      outcome: 'ok',
      latencyMs: 5,
      second: 1_795_438_717,
      route: null,
      key: '1795438717284245.7',
    });
  });

  it('says what it is counted by route with, when releases are compared', () => {
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const failed = { status: '500', server: 'a:3a:1', route: `GET /orders/7 ${trace} r-1` };
    expect(readRequestLine(line(failed))?.route).toEqual({
      method: 'GET',
      path: '/orders/7',
      status: 500,
      lost: false,
      latencyMs: 5,
      traceparent: trace,
      requestId: 'r-1',
      instance: 'a:1',
    });
    const without = { end: 'SD', server: 'other:b', route: 'POST /x - -' };
    expect(readRequestLine(line(without))?.route).toMatchObject({ lost: true, instance: 'b', traceparent: null });
    for (const server of ['<NOSRV>', '<STATS>', 'copies:gateway']) {
      expect(readRequestLine(line({ server, route: 'GET / - -' }))?.route?.instance).toBeNull();
    }
  });

  it('does not count what the edge answered before an arm was chosen', () => {
    expect(readRequestLine(line({ arm: '-', by: '-', status: '429', end: 'LR' }))).toBeNull();
  });

  it.each<[string, Parameters<typeof line>[0], Outcome]>([
    ['an error of the instance', { status: '500' }, 'server-error'],
    ['a mistake of the client', { status: '404' }, 'client-error'],
    ['an answer that the instance cut short', { end: 'SD' }, 'gateway-error'],
    ['an answer that stalled', { end: 'sD' }, 'gateway-error'],
    ['an answer that we cut', { end: 'KD' }, 'gateway-error'],
    ['a client that went away before the answer', { by: '-', status: '-1', end: 'CH' }, 'ok'],
    ['a client that went away within it', { end: 'CD' }, 'ok'],
    ['no connection', { by: '-', status: '503', end: 'SC' }, 'gateway-error'],
    ['no answer in time', { by: '-', status: '504', end: 'sH' }, 'gateway-error'],
    ['no instance', { by: '-', status: '503', end: 'LR' }, 'gateway-error'],
    ['a body that is too large', { by: '-', status: '413', end: 'LR' }, 'client-error'],
    ['an instance of the other slot', { server: 'other:b' }, 'gateway-error'],
    ['the gateway that carries streams, itself', { by: 'g', status: '502' }, 'gateway-error'],
    ['an instance through that gateway', { by: 'r', status: '502' }, 'server-error'],
  ])('counts %s as it is', (_, fields, outcome) => {
    expect(readRequestLine(line(fields))?.outcome).toBe(outcome);
  });

  it('counts a stream when it begins, and not again when it ends', () => {
    expect(readRequestLine('V1S 1795438717284245 1795438717276209 web candidate 101 - GET /chat - -')).toMatchObject({
      arm: 'candidate',
      outcome: 'ok',
      route: { method: 'GET', path: '/chat' },
      key: null,
    });
    expect(readRequestLine(line({ begun: '1' }))).toBeNull();
  });

  it('does not count smoke tests, requests of no service, and lines of another kind', () => {
    for (const other of [
      line({ preview: '1' }),
      line({ service: '-' }),
      'V1S 1795438717284245 1795438717276209 web stable 200 1',
      'Proxy public stopped (cumulated conns: FE: 0, BE: 0).',
      '',
      'V1 x y',
      '\0\0\0',
    ]) {
      expect(readRequestLine(other)).toBeNull();
    }
  });
});
