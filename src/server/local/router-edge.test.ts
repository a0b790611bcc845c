import { expect, it } from 'vitest';
import type { GatewaySettings } from '../../core/gateway-settings.ts';
import type { Target } from '../../core/spec/platform.ts';
import { notAsDeclared, type RouterEdge } from './router-edge.ts';

const settings: GatewaySettings = {
  workers: 2,
  http: { host: '127.0.0.1', port: 8080 },
  https: null,
  accessLog: null,
  lingerMs: 1_000,
};
const { http, ...edge } = settings;
const target = (over: object = {}): Target => ({ router: 'gateway', listen: http, edge, ...over }) as Target;
const running = (over: Partial<RouterEdge> = {}): RouterEdge => ({ kind: 'gateway', pid: 1, settings, ...over });

it('a router that is as it is declared has nothing to be said of, on any port when any is wanted', () => {
  expect(notAsDeclared('staging', target(), running())).toBeNull();
  expect(notAsDeclared('staging', target({ listen: { host: '127.0.0.1', port: 0 } }), running())).toBeNull();
});

it.each([
  [
    'another address',
    target({ listen: { host: '127.0.0.1', port: 9090 } }),
    running(),
    'veza gateway upgrade -e staging',
  ],
  ['other settings', target({ edge: { ...edge, workers: 3 } }), running(), 'veza gateway upgrade -e staging'],
  ['another router', target({ router: 'haproxy' }), running(), 'veza down --keep-running && veza up'],
  [
    'other settings of HAProxy',
    target({ router: 'haproxy', edge: { ...edge, lingerMs: 5 } }),
    running({ kind: 'haproxy' }),
    'veza down -e staging && veza up -e staging',
  ],
  [
    'another address of HAProxy',
    target({ router: 'haproxy', listen: { host: '127.0.0.1', port: 9090 } }),
    running({ kind: 'haproxy' }),
    'veza down -e staging && veza up -e staging',
  ],
])('says where it still listens and what to do when what is declared is %s', (_, declared, now, command) => {
  const text = notAsDeclared('staging', declared, now);
  expect(text).toContain('still listens on http 127.0.0.1:8080');
  expect(text).toContain(`run \`${command}\``);
});
