import { describe, expect, it } from 'vitest';
import type { GatewaySettings } from '../../gateway-settings.ts';
import { plainEdge, type RouteInForce, type RouteTableEntry } from '../../route-table.ts';
import { armsLine, emitArms } from './arms.ts';
import { emitHaproxyConfig, type HaproxyConfig } from './config.ts';
import { copiedBackend, copyingServer, instanceOf, serverName, serversOf } from './servers.ts';
import { converterArgument, listenVariable, quoted, quotedFormat } from './text.ts';

const settings: GatewaySettings = {
  workers: 2,
  http: { host: '127.0.0.1', port: 8080 },
  https: null,
  accessLog: null,
  lingerMs: 60_000,
};

function route(service: string, changes: Partial<RouteTableEntry> = {}): RouteInForce {
  const entry = {
    service,
    internalPort: 9_000,
    stable: 'blue',
    edge: plainEdge,
    candidateWeight: 0,
    releases: { blue: 'rel_1', green: null },
    endpoints: { blue: [{ id: 'a', host: '127.0.0.1', port: 1_001 }], green: [] },
    public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
    proxy: { responseTimeoutMs: 5_000, idleTimeoutMs: 10_000, maxBodyBytes: null, drainMs: 1_000 },
    ...changes,
  } as unknown as RouteTableEntry;
  return { stamp: { epoch: 3, version: 4 }, entry };
}

const emit = (routes: readonly RouteInForce[], withServers = true): string =>
  emitHaproxyConfig(config(routes), withServers);

const config = (routes: readonly RouteInForce[]): HaproxyConfig => ({
  routes,
  settings,
  structure: 'x',
  relayPorts: { web: 9_100, api: 9_101 },
  files: { lua: '/s/veza.lua', plain: '/s/plain.map', sockets: '/s', answers: '/s/answers', certificates: null },
});

const publicOf = (hosts: readonly string[], paths: readonly string[]) =>
  ({ public: { hosts, paths, sticky: false, canaryHeader: null } }) as unknown as Partial<RouteTableEntry>;

describe('the configuration', () => {
  it('is the same whatever the order of the routes', () => {
    expect(emit([route('web'), route('api')])).toBe(emit([route('api'), route('web')]));
  });

  it('needs no reload to be mirrored', () => {
    const mirrored = route('web', { mirror: { share: 100, shapes: true } });
    expect(emit([mirrored], false)).toBe(emit([route('web')], false));
  });

  it("lets each line be written on two ways where threads can be in each other's way", () => {
    expect(emit([route('web')]).match(/^ {2}log .* raw local0$/gm)).toHaveLength(2);
    const alone = emitHaproxyConfig({ ...config([route('web')]), settings: { ...settings, workers: 1 } }, true);
    expect(alone.match(/^ {2}log .* raw local0$/gm)).toHaveLength(1);
  });

  it('needs a reload for a path, and none for endpoints, weights and releases', () => {
    const before = emit([route('web')], false);
    const endpoints = { blue: [], green: [{ id: 'b', host: '::1', port: 2 }] };
    const moved = route('web', { candidateWeight: 50, endpoints, releases: { blue: null, green: 'rel_2' } });
    expect(emit([moved], false)).toBe(before);
    expect(emit([moved])).not.toBe(emit([route('web')]));
    expect(emit([route('web', publicOf([], ['/x']))], false)).not.toBe(before);
  });

  it('asks the most specific host first, then the longest path', () => {
    const text = emit([
      route('any', publicOf([], [])),
      route('wild', publicOf(['*.shop.example'], ['/'])),
      route('api', publicOf(['www.shop.example'], ['/api/'])),
      route('web', publicOf(['www.shop.example'], ['/'])),
    ]);
    const order = [...text.matchAll(/set-var\(txn\.service\) str\((\w+)\) if/g)].map(([, service]) => service);
    expect(order).toEqual(['api', 'api', 'web', 'wild', 'any']);
    expect(text).toContain('{ path -m str "/api" }');
    expect(text).toContain('{ path -m beg "/api/" }');
    expect(text).toContain('{ var(txn.host) -m end ".shop.example" }');
  });
});

describe('a public address', () => {
  it('is inherited when HAProxy was given it, and else its own', () => {
    expect(emit([])).toContain('  bind "${VEZA_LISTEN_127_0_0_1_8080-ipv4@127.0.0.1:8080}" id 1');
    expect(listenVariable('::1', 80)).toBe('VEZA_LISTEN___1_80');
  });
});

describe('the arm', () => {
  it('is left to the script for a user with a cookie of a canary, and for an arm that is asked for', () => {
    const sticky = { hosts: [], paths: [], sticky: true, canaryHeader: null };
    const text = emit([route('web', { public: sticky }), route('api')]);
    expect(text).toContain('unset-var(txn.plain) if { var(txn.service) -m str web } { req.cook(veza_web) -m found }');
    expect(text).not.toContain('veza_api');
    expect(text.match(/unset-var\(txn\.plain\) if \{ var\(txn\.wish\) -m found \}/g)).toHaveLength(2);
  });
});

describe('servers', () => {
  const both = { blue: [{ id: 'a', host: 'h', port: 1 }], green: [{ id: 'b', host: 'h', port: 2 }] };
  const rescuesOf = (candidateWeight: number) =>
    serversOf(route('web', { endpoints: both, candidateWeight }).entry)
      .filter(({ backup, enabled }) => backup && enabled)
      .map(({ backend, name }) => `${backend}/${name}`);

  it('of a candidate at weight 0 save no request of stable', () => {
    expect(rescuesOf(0)).toEqual(['web.green/other:a', 'web.green.once/other:a']);
    expect(rescuesOf(1)).toHaveLength(4);
  });

  it('of stable stand in for the gateway that copies, while the service is mirrored', () => {
    const { entry } = route('web', { mirror: { share: 100, shapes: false } });
    const copied = serversOf(entry).filter(({ backend }) => backend === copiedBackend('web'));
    expect(copied).toMatchObject([{ name: 'a', backup: true, enabled: true }]);
    expect(serversOf(route('web').entry).some(({ backend }) => backend === copiedBackend('web'))).toBe(false);
  });

  it.each(['a', 'web-1', 'a:1', 'übung', 'other:b', ':3a:', 'copies:gateway'])(
    'have names that their ids can be read from again: %s',
    (id) => {
      expect(instanceOf(serverName(id))).toBe(id);
      expect(serverName(id)).not.toBe(copyingServer);
    },
  );

  it('have names that HAProxy takes and that differ as ids do', () => {
    expect(serverName('web-1.a_B')).toBe('web-1.a_B');
    expect(serverName('a/b c')).toMatch(/^[A-Za-z0-9_.:-]+$/);
    expect(serverName('a/b')).not.toBe(serverName('a b'));
  });
});

describe('texts', () => {
  it('stand for themselves in every kind of word', () => {
    expect(quoted('a "b" $C \\d')).toBe(String.raw`"a \"b\" \$C \\d"`);
    expect(quotedFormat('100 %')).toBe('"100 %%"');
    expect(converterArgument('/a,b(c)')).toBe('/a%2cb%28c%29');
  });
});

describe('arms', () => {
  it('are one line a service, whatever is in the header', () => {
    const sticky = { hosts: [], paths: [], sticky: true, canaryHeader: { name: 'Canary', value: 'yes ü\n' } };
    const line = armsLine(route('web', { public: sticky }));
    expect(line.split(' ')).toHaveLength(13);
    expect(line).toMatch(/^web 3 4 blue 0 1 0 rel_1 - 1 canary [A-Za-z0-9+/=]+ 0$/);
    expect(
      emitArms([route('web'), route('api')])
        .split('\n')
        .slice(1, 3)
        .join(),
    ).toMatch(/^api .*,web /);
  });

  it('say what share of a service is mirrored', () => {
    expect(armsLine(route('web', { mirror: { share: 10, shapes: false } }))).toMatch(/ 10$/);
    expect(armsLine(route('web', { mirror: { share: 0, shapes: false } }))).toMatch(/ 0$/);
  });
});
