import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { emitArms } from '../../../core/emit/haproxy/arms.ts';
import { emitHaproxyConfig } from '../../../core/emit/haproxy/config.ts';
import { maintenanceFile } from '../../../core/emit/haproxy/edge.ts';
import { emitLua } from '../../../core/emit/haproxy/lua-script.ts';
import { bareAnswers, maintenanceDefault } from '../../../core/emit/haproxy/problems.ts';
import type { GatewaySettings } from '../../../core/gateway-settings.ts';
import { HaproxyRefusedError } from '../../../errors.ts';
import { isMissing, replaceFile, streamsFile, type StateFiles } from './haproxy-files.ts';
import type { Table } from './table-store.ts';

/** Versions of the configuration that are kept. */
const keptVersions = 50;

/** A configuration, and what tells it from those that need a reload. */
export interface Configuration {
  readonly text: string;
  readonly structure: string;
}

/** The configuration for a table. @param certificates digest of the certificates, so that a new one is a new structure */
export function configurationFor(
  files: StateFiles,
  settings: GatewaySettings,
  table: Table,
  certificates: string,
): Configuration {
  const routes = [...table.routes.values()];
  const config = {
    routes,
    settings,
    relayPorts: table.relayPorts,
    files: {
      lua: files.lua,
      plain: files.plain,
      sockets: files.sockets,
      answers: files.answers,
      certificates: settings.https === null ? null : files.certificates,
    },
  };
  const pages = routes.map(({ entry }) => entry.edge.maintenance?.html ?? '');
  const structure = createHash('sha256')
    .update(emitHaproxyConfig({ ...config, structure: '' }, false))
    .update(luaFor(files))
    .update(JSON.stringify([pages, certificates]))
    .digest('hex')
    .slice(0, 16);
  return { text: emitHaproxyConfig({ ...config, structure }, true), structure };
}

const luaFor = (files: StateFiles): string =>
  emitLua(files.arms, files.key, path.join(files.requests, streamsFile), files.plain);

/** Writes what a configuration refers to. */
export async function writeCompanions(files: StateFiles, table: Table): Promise<void> {
  await replaceFile(files.lua, luaFor(files));
  await replaceFile(files.plain, '');
  for (const [status, text] of Object.entries(bareAnswers)) {
    await replaceFile(path.join(files.answers, `${status}.http`), text);
  }
  for (const { entry } of table.routes.values()) {
    if (entry.edge.maintenance === null) continue;
    const page = entry.edge.maintenance.html ?? maintenanceDefault;
    await replaceFile(path.join(files.answers, maintenanceFile(entry.service)), page);
  }
}

/** Puts a configuration and the arms where the next process of HAProxy reads them, and keeps a copy with its time. */
export async function writeConfiguration(files: StateFiles, { text }: Configuration, table: Table): Promise<void> {
  await replaceFile(files.arms, emitArms([...table.routes.values()]));
  const present = await readOrNull(files.config);
  if (present === text) return;
  await replaceFile(files.config, text);
  const stamp = [...table.routes.values()]
    .map((route) => route.stamp)
    .sort((a, b) => b.epoch - a.epoch || b.version - a.version)[0];
  const name = `${new Date().toISOString().replaceAll(':', '')}.e${stamp?.epoch ?? 0}.v${stamp?.version ?? 0}.cfg`;
  await copyFile(files.config, path.join(files.history, name));
  const versions = (await readdir(files.history)).sort();
  for (const old of versions.slice(0, Math.max(0, versions.length - keptVersions))) {
    await rm(path.join(files.history, old), { force: true });
  }
}

export async function readOrNull(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** The key that signs cookies, made on first use. */
export async function ensureKey(file: string): Promise<void> {
  const present = await readOrNull(file);
  if (present !== null && Buffer.from(present.trim(), 'base64').length === 32) return;
  await rm(file, { force: true });
  const handle = await open(file, 'wx', 0o600);
  await handle.writeFile(`${randomBytes(32).toString('base64')}\n`);
  await handle.close();
}

/**
 * Puts certificates with their keys where HAProxy reads them.
 *
 * @returns a digest of them all; empty without TLS
 * @throws HaproxyRefusedError for certificates that are not files
 */
export async function writeCertificates(files: StateFiles, settings: GatewaySettings): Promise<string> {
  if (settings.https === null) return '';
  await mkdir(files.certificates, { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  for (const [i, source] of settings.https.certificates.entries()) {
    if (source.kind !== 'files') {
      throw new HaproxyRefusedError(
        'unsupported',
        `The router haproxy takes certificates from files only, not from ${source.kind === 'acme' ? 'ACME' : 'a development authority'}: give certificate and key, or use the router gateway.`,
      );
    }
    const pem = await Promise.all([source.certificate, source.key].map((file) => readFile(file, 'utf8')));
    const text = pem
      .map((part) => part.trim())
      .join('\n')
      .concat('\n');
    hash.update(text);
    // The first is for clients that name no host.
    const file = path.join(files.certificates, `${String(i).padStart(3, '0')}.pem`);
    if ((await readOrNull(file)) !== text) await replaceFile(file, text);
  }
  for (const name of await readdir(files.certificates)) {
    const known = Number.parseInt(name, 10) < settings.https.certificates.length;
    if (!known) await rm(path.join(files.certificates, name), { force: true });
  }
  return hash.digest('hex');
}
