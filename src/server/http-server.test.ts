import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedControlPlane } from '../../test/fixtures/scripted-control-plane.ts';
import { committed, deployment, evidence, info, NEW, release, reverted } from '../../test/fixtures/views.ts';
import { ApiClient } from '../api/client.ts';
import { contract } from '../api/contract.ts';
import type { EventView } from '../api/schemas.ts';
import {
  ControlPlaneLostError,
  ControlPlaneNotRunningError,
  ExitStatus,
  RemoteError,
  SocketInUseError,
} from '../errors.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';

let folder: string;
let socketPath: string;
let plane: ScriptedControlPlane;
let server: HttpServer;
let client: ApiClient;
const onDown = vi.fn();
const logged: string[] = [];

const start = (): Promise<HttpServer> =>
  startHttpServer({
    controlPlane: plane,
    version: '1.2.3',
    socketPath,
    log: (line) => logged.push(line),
    heartbeatMs: 20,
    onDown,
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-api-'));
  socketPath = join(folder, 'state', 'control.sock');
  plane = new ScriptedControlPlane();
  logged.length = 0;
  onDown.mockReset();
  server = await start();
  client = new ApiClient({ socketPath, stateDir: folder, by: 'ana müller' });
});

afterEach(async () => {
  await client.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** A request as any HTTP client would send it. */
function raw(
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; type: string; json: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath, method, path, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: String(response.headers['content-type']),
            json: JSON.parse(text) as Record<string, unknown>,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const failureOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

describe('the socket', () => {
  it('can be opened by its owner alone', async () => {
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(socketPath))).mode & 0o777).toBe(0o700);
  });

  it('is refused to a second server while the first answers, and the first goes on', async () => {
    await expect(start()).rejects.toBeInstanceOf(SocketInUseError);
    expect(await client.call('info', {})).toEqual(info());
  });

  it('is taken over from a server that died', async () => {
    await server.close();
    await writeFile(socketPath, '');
    server = await start();
    expect(await client.call('info', {})).toEqual(info());
  });

  it('that nobody listens on is a control plane that does not run', async () => {
    await server.close();
    const error = await failureOf(client.call('info', {}));
    expect(error).toBeInstanceOf(ControlPlaneNotRunningError);
    server = await start();
  });
});

describe('every endpoint', () => {
  it('answers through the client what the control plane answers, and says who asks', async () => {
    plane.show(deployment());
    plane.record({ text: 'requested' });
    plane.records.push(evidence());
    const ignore = { onItem: () => {} };
    const body = { environment: null };
    const answers: Record<keyof typeof contract, unknown> = {
      info: await client.call('info', {}),
      doctor: await client.call('doctor', {}),
      status: await client.call('status', { query: { environment: 'production' } }),
      gateway: await client.call('gateway', { query: { environment: 'production' } }),
      upgradeGateway: await client.stream('upgradeGateway', { body }, ignore),
      renewCertificates: await client.stream('renewCertificates', { body: { ...body, host: 'a.test' } }, ignore),
      releases: await client.call('releases', { query: { service: 'web' } }),
      deployments: await client.call('deployments', { query: { active: true, limit: 3 } }),
      deployment: await client.call('deployment', { params: { id: '12' } }),
      forecast: await client.call('forecast', { params: { environment: '-' }, body: { services: ['web'] } }),
      evidence: await client.call('evidence', { params: { id: '12' } }),
      explanation: await client.call('explanation', { params: { id: '12' } }),
      operate: await client.call('operate', { params: { id: 'dep_12' }, body: { kind: 'promote', to: 'all' } }),
      deploy: await client.call('deploy', { body: { ...body, releases: [NEW], order: 'together' } }),
      rollback: await client.call('rollback', { body: { ...body, services: ['web'] } }),
      maintenance: await client.call('maintenance', {
        params: { environment: '-', service: 'web' },
        body: { kind: 'on', html: '<p>'.repeat(60_000) },
      }),
      migrations: await client.call('migrations', { query: { environment: 'production', service: 'web' } }),
      contractMigrations: await client.stream(
        'contractMigrations',
        { body: { ...body, service: 'web', giveUpRollback: true } },
        ignore,
      ),
      undoMigrations: await client.stream('undoMigrations', { body: { ...body, service: 'web', to: 3 } }, ignore),
      secrets: await client.call('secrets', {}),
      setSecret: await client.call('setSecret', {
        params: { environment: '-', name: 'SESSION_KEY' },
        body: { value: 'x' },
      }),
      scanImages: await client.stream('scanImages', { body: { ...body, services: ['web'] } }, ignore),
      pushImages: await client.stream('pushImages', { body: { ...body, to: 'localhost:5000/veza' } }, ignore),
      pinImage: await client.call('pinImage', { body: { image: 'localhost:5000/node:24' } }),
      verifyImage: await client.call('verifyImage', { body: { image: 'localhost:5000/veza/web:rel_1' } }),
      build: await client.stream('build', { body: { ...body, services: ['web'] } }, ignore),
      events: await client.stream('events', { query: {} }, ignore),
      logs: await client.stream('logs', { query: { services: ['web', 'api'], tail: 5 } }, ignore),
      run: await client.stream('run', { body: { ...body, service: 'web', command: ['node', '--version'] } }, ignore),
      watch: await (async () => {
        plane.show(reverted());
        return client.stream('watch', { params: { id: 'dep_12' } }, ignore);
      })(),
      removeService: await client.stream('removeService', { body: { ...body, service: 'web' } }, ignore),
      up: await client.stream('up', { body }, ignore),
      down: await client.stream('down', { body: {} }, ignore),
    };
    expect(Object.keys(answers).sort()).toEqual(Object.keys(contract).sort());
    expect(answers.info).toEqual(info());
    expect(answers.deployment).toEqual(deployment());
    expect(answers.evidence).toEqual([evidence()]);
    expect(answers.build).toEqual({ releases: [{ ...release(), reused: false }] });
    expect(answers.run).toEqual({ exitStatus: 0 });
    expect(plane.calls).toContainEqual(['operate', 'dep_12', { kind: 'promote', to: 'all' }, 'ana müller']);
    expect(plane.calls).toContainEqual(['deployments', { environment: null, service: null, active: true, limit: 3 }]);
    expect(plane.calls).toContainEqual([
      'logs',
      { environment: null, services: ['web', 'api'], tail: 5, follow: false },
    ]);
    expect(plane.calls).toContainEqual(['setSecret', null, 'SESSION_KEY', 'x', 'ana müller']);
    expect(plane.calls).toContainEqual(['renewCertificates', null, 'a.test']);
    expect(plane.calls).toContainEqual(['migrations', 'production', 'web']);
    const contracted = { environment: null, service: 'web', giveUpRollback: true };
    expect(plane.calls).toContainEqual(['contractMigrations', contracted, 'ana müller']);
    expect(plane.calls).toContainEqual(['undoMigrations', { environment: null, service: 'web', to: 3 }, 'ana müller']);
    const deployed = plane.calls.find(([method]) => method === 'deploy');
    expect(deployed?.[1]).toEqual({
      environment: null,
      releases: [NEW],
      strategy: null,
      order: 'together',
      kind: 'planned',
      force: false,
    });
  });

  it('is in the OpenAPI document, which the server hands out', async () => {
    const { json } = await raw('GET', '/v1/openapi.json');
    expect(json.openapi).toBe('3.1.0');
    expect(json.info).toMatchObject({ version: '1.2.3' });
  });
});

describe('problems', () => {
  it('come back as errors with the same code, hint and exit status', async () => {
    plane.show(reverted());
    const error = await failureOf(client.call('operate', { params: { id: 'dep_12' }, body: { kind: 'pause' } }));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      code: 'operation-refused',
      httpStatus: 409,
      exitStatus: ExitStatus.refused,
      message: 'Cannot pause dep_12 while it is reverted: it has ended.',
      hint: 'Start a new one: `veza deploy`.',
    });
  });

  it('say that nothing is kept of what a deployment was judged by', async () => {
    plane.show(deployment());
    const error = await failureOf(client.call('evidence', { params: { id: 'dep_12' } }));
    expect(error).toMatchObject({ code: 'evidence-not-kept', httpStatus: 404, exitStatus: ExitStatus.failed });
  });

  it('name every mistake of a request at once', async () => {
    const { status, type, json } = await raw(
      'POST',
      '/v1/deployments',
      JSON.stringify({ releases: [], strategy: 'canry', foo: 1 }),
    );
    expect(status).toBe(422);
    expect(type).toContain('application/problem+json');
    expect(json.code).toBe('request-invalid');
    const paths = (json.mistakes as { path: string }[]).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['body.releases', 'body.strategy', 'body']));
    expect(plane.calls).toEqual([]);
  });

  it.each([
    ['POST', '/v1/deployments', '{', 'expected JSON'],
    ['GET', '/v1/deployments?limit=many', undefined, 'query.limit'],
    ['GET', '/v1/deployments?lmit=3', undefined, 'query'],
    ['PUT', '/v1/environments/staging/secrets/a%20b', '{"value":"x"}', 'params.name'],
    ['POST', '/v1/run', '{"service":"web","command":[]}', 'body.command'],
  ])('%s %s with a mistake is refused before anything is done', async (method, path, body, said) => {
    const { status, json } = await raw(method, path, body);
    expect(status).toBe(422);
    expect(JSON.stringify(json)).toContain(said);
    expect(plane.calls).toEqual([]);
  });

  it('of an endpoint that does not exist says so', async () => {
    expect(await raw('GET', '/v1/depoyments')).toMatchObject({ status: 404, json: { code: 'endpoint-not-found' } });
  });

  it('of a body that is too large are refused', async () => {
    const { status } = await raw(
      'PUT',
      '/v1/environments/-/secrets/A',
      JSON.stringify({ value: 'x'.repeat(1_100_000) }),
    );
    expect(status).toBe(422);
  });

  it('that are defects of ours carry no stack, and the log does', async () => {
    plane.failure = new TypeError('x is not a function');
    const { status, json } = await raw('GET', '/v1/info');
    expect(status).toBe(500);
    expect(json.code).toBe('internal');
    expect(JSON.stringify(json)).not.toContain('.ts:');
    expect(logged.join('\n')).toContain('.ts:');
  });

  it('in the middle of a stream end it, and are thrown', async () => {
    plane.failure = new Error('disk on fire');
    const seen: string[] = [];
    const error = await failureOf(
      client.stream('build', { body: { environment: null } }, { onItem: (item) => void seen.push(item.stage) }),
    );
    expect(seen).toEqual(['source', 'output']);
    expect(error).toMatchObject({ code: 'internal', exitStatus: ExitStatus.failed });
  });

  it('of an unknown name carry what was meant', async () => {
    const error = await failureOf(client.call('status', { query: { environment: 'prodction' } }));
    expect(error).toMatchObject({
      code: 'unknown-name',
      message: expect.stringContaining('did you mean `production`?'),
    });
  });
});

describe('event streams', () => {
  it('go on after the last event that the client has seen', async () => {
    for (const text of ['one', 'two', 'three']) plane.record({ text });
    const seen: EventView[] = [];
    await client.stream(
      'events',
      { query: { after: 1 } },
      { lastEventId: '2', onItem: (event) => void seen.push(event) },
    );
    expect(seen.map(({ text }) => text)).toEqual(['three']);
  });

  it('carry what happens while they are followed, each with its position as id', async () => {
    plane.record({ text: 'one' });
    const abort = new AbortController();
    const seen: (readonly [string, string | null])[] = [];
    const following = client.stream(
      'events',
      { query: { follow: true } },
      {
        signal: abort.signal,
        onItem: (event, id) => {
          seen.push([event.text, id]);
          if (seen.length === 1) plane.record({ text: 'two' });
          else abort.abort(new Error('enough'));
        },
      },
    );
    await expect(following).rejects.toThrow('enough');
    expect(seen).toEqual([
      ['one', '1'],
      ['two', '2'],
    ]);
  });

  it('beat while nothing happens, so that silence means a broken connection', async () => {
    plane.show(deployment());
    const heard = new Promise<string>((resolve) => {
      const socket = connect(socketPath);
      let text = '';
      socket.write('GET /v1/deployments/dep_12/watch HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.on('data', (chunk) => {
        text += chunk.toString();
        if (text.split('\n:').length < 4) return;
        socket.destroy();
        resolve(text);
      });
    });
    expect(await heard).toContain('event: item');
  });

  it('that break before their result are a lost control plane, not an end', async () => {
    plane.show(deployment());
    const watching = client.stream('watch', { params: { id: 'dep_12' } }, { onItem: () => void server.close() });
    expect(await failureOf(watching)).toBeInstanceOf(ControlPlaneLostError);
    server = await start();
  });

  it.each([
    ['logs', () => client.stream('logs', { query: { follow: true } }, leaving())],
    ['watch', () => client.stream('watch', { params: { id: 'dep_12' } }, leaving())],
    ['run', () => client.stream('run', { body: { environment: null, service: 'web', command: ['sleep'] } }, leaving())],
    ['build', () => client.stream('build', { body: { environment: null } }, leaving())],
  ])('stop the work of %s when the client goes away', async (method, call) => {
    plane.show(deployment());
    plane.hangs = true;
    plane.runOutput = ['started'];
    await expect(call()).rejects.toThrow('gone');
    await vi.waitFor(() => expect(plane.aborted).toContain(method), { timeout: 5_000 });
  });

  it('end the control plane after the answer to `down`, not before', async () => {
    onDown.mockImplementation(() => void server.close());
    const answer = await client.stream('down', { body: {} }, { onItem: () => {} });
    expect(answer.controlPlaneEnds).toBe(true);
    await vi.waitFor(() => expect(onDown).toHaveBeenCalledOnce());
  });
});

/** Goes away at the first item. */
function leaving(): { readonly signal: AbortSignal; readonly onItem: () => void } {
  const abort = new AbortController();
  return { signal: abort.signal, onItem: () => abort.abort(new Error('gone')) };
}

describe('a server that closes', () => {
  it('does so at once although clients follow', async () => {
    plane.show(committed());
    const first = Promise.withResolvers<void>();
    const watching = failureOf(client.stream('watch', { params: { id: 'dep_12' } }, { onItem: () => first.resolve() }));
    await first.promise;
    const before = performance.now();
    await server.close();
    expect(performance.now() - before).toBeLessThan(1_500);
    expect(await watching).not.toBeNull();
    server = await start();
  });
});
