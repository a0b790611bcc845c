import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScriptedControlPlane } from '../../../test/fixtures/scripted-control-plane.ts';
import { serveScripted } from '../../../test/fixtures/scripted-server.ts';
import { gateway as gatewayOf, NOW } from '../../../test/fixtures/views.ts';
import { ExitStatus, GatewayUpgradeError } from '../../errors.ts';
import { gatewayLines } from '../render/gateway.ts';
import { runCli } from '../run-cli.ts';

const style = { colour: false, unicode: true, width: 1_000 };

describe('the gateway for people', () => {
  it('is its addresses, its workers, what waits, its certificates and what is wrong', () => {
    const text = gatewayLines(gatewayOf(), { style, now: NOW }).join('\n');
    expect(text).toContain('gateway of production  http 127.0.0.1:8080, https 127.0.0.1:8443');
    expect(text).toContain('generation 1, in charge since 1 h ago');
    expect(text).toMatch(/4713 +active 1 h ago +3 +12 +0 +40 +92\.0 MB/);
    expect(text).toMatch(/4700 +retired 1 min ago +silent/);
    expect(text).toContain('web  120');
    expect(text).toMatch(/shop\.example +acme +in 3 d/);
    expect(text).toContain('The table cannot be written to disk');
  });

  it('says of a certificate which one is shown, who renews it and when, and what to do once', () => {
    const [certificate] = gatewayOf().certificates;
    if (certificate === undefined) throw new Error('no certificate');
    const note = 'Trust /srv/development-ca.pem once, and browsers accept localhost.';
    const view = gatewayOf({
      certificates: [
        certificate,
        { ...certificate, hosts: ['new.example'], shown: 'placeholder', renewAt: NOW },
        { ...certificate, hosts: ['localhost'], source: 'development', expiresAt: NOW + 29 * 86_400_000, note },
        { ...certificate, hosts: [], source: 'files', shown: 'nothing', expiresAt: null, renewAt: null },
      ],
    });
    const text = gatewayLines(view, { style, now: NOW }).join('\n');
    expect(text).toMatch(/shop\.example +acme +in 3 d +in 1 d/);
    expect(text).toMatch(/new\.example +acme, placeholder +now/);
    expect(text).toMatch(/localhost +development +in 29 d/);
    expect(text).toMatch(/– +files +none yet +by you/);
    expect(text).toContain(note);
  });

  it('says that HAProxy is the router where it is, and what the gateway is for then', () => {
    const haproxy = { pid: 99, http: { host: '0.0.0.0', port: 80 }, https: null };
    const relay = gatewayOf({ haproxy, http: { host: '127.0.0.1', port: 40_123 }, https: null });
    const text = gatewayLines(relay, { style, now: NOW }).join('\n');
    expect(text).toContain('HAProxy is the router of production  http 0.0.0.0:80\nprocess 99\n');
    expect(text).toContain('gateway that carries its streams  http 127.0.0.1:40123, for HAProxy alone');
  });

  it('says nothing of what is not there', () => {
    const plain = gatewayOf({ https: null, queues: [], certificates: [], warnings: [] });
    const text = gatewayLines(plain, { style, now: NOW }).join('\n');
    expect(text).not.toMatch(/https|waiting|certificate/);
  });
});

describe('the verb', () => {
  let project: string;
  let plane: ScriptedControlPlane;
  let server: Awaited<ReturnType<typeof serveScripted>>;

  beforeEach(async () => {
    project = await realpath(await mkdtemp(join(tmpdir(), 'veza-cli-')));
    await writeFile(join(project, 'veza.config.ts'), 'export default {};\n');
    plane = new ScriptedControlPlane();
    server = await serveScripted(plane, project);
  });

  afterEach(async () => {
    await server.close();
    await rm(project, { recursive: true, force: true });
  });

  async function veza(...args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
    let out = '';
    let err = '';
    const status = await runCli(args, {
      terminal: {
        out: (line) => (out += `${line}\n`),
        note: (line) => (err += `${line}\n`),
        raw: (_, chunk) => (out += Buffer.from(chunk).toString()),
        control: (text) => (out += text),
        style,
        canRedraw: false,
        rows: 40,
        onResize: () => () => {},
      },
      cwd: project,
      env: {},
      now: () => NOW,
      interrupt: new AbortController().signal,
      readInput: () => Promise.resolve(''),
    });
    return { status, out, err };
  }

  it('shows the gateway of the environment that is named', async () => {
    const { status, out } = await veza('gateway', 'status', '-e', 'production');
    expect(status).toBe(ExitStatus.ok);
    expect(out).toContain('gateway of production');
    expect(plane.calls).toContainEqual(['gateway', 'production']);
    const json = await veza('gateway', 'status', '--json');
    expect(JSON.parse(json.out)).toEqual(gatewayOf());
  });

  it('replaces it, and says what happens on the way', async () => {
    const { status, out, err } = await veza('gateway', 'upgrade');
    expect(status).toBe(ExitStatus.ok);
    expect(err).toContain('generation 1 is replaced');
    expect(out).toContain('The gateway of production runs as generation 2');
    const json = await veza('gateway', 'upgrade', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ generation: 2 });
    expect(json.err).toBe('');
  });

  it('renews certificates, those of one host or all, and fails when one could not be had', async () => {
    const { status, out, err } = await veza('gateway', 'renew', 'Shop.example', '-e', 'production');
    expect(status).toBe(ExitStatus.ok);
    expect(err).toContain('ordering shop.example');
    expect(out).toContain('shop.example, expires in 3 d');
    expect(plane.calls).toContainEqual(['renewCertificates', 'production', 'Shop.example']);
    const [certificate] = gatewayOf().certificates;
    if (certificate === undefined) throw new Error('no certificate');
    plane.gatewayView = gatewayOf({
      certificates: [{ ...certificate, warning: 'shop.example: refused. Next try later.' }],
    });
    const failed = await veza('gateway', 'renew');
    expect(failed.status).toBe(ExitStatus.failed);
    expect(failed.out).toContain('shop.example: refused. Next try later.');
    expect(plane.calls).toContainEqual(['renewCertificates', null, null]);
  });

  it('says why it could not be replaced, and that nothing has changed', async () => {
    plane.failure = new GatewayUpgradeError('another program listens on 127.0.0.1:8443', '/srv/gateway.log');
    const { status, err } = await veza('gateway', 'upgrade');
    expect(status).toBe(ExitStatus.failed);
    expect(err).toContain('another program listens on 127.0.0.1:8443');
    expect(err).toContain('The old one goes on');
  });
});
