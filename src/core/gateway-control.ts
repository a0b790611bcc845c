import { z } from 'zod';
import type { GatewaySettings } from './gateway-settings.ts';
import { gatewaySettingsSchema } from './gateway-settings-schema.ts';
import type { DrainProgress, RouteInForce, RouteTableEntry, WriteStamp } from './route-table.ts';
import type { CurrentSecond, TrafficSecond } from './traffic.ts';

// What the control plane and the gateway say to each other over the gateway's Unix socket: one JSON object as the body
// of a POST, one as its answer. Both ends check what they read.

/** Raised with every change that an older peer would misunderstand. */
export const controlProtocol = 4;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const port = z.number().int().min(1).max(65_535);
const milliseconds = z
  .number()
  .min(0)
  .max(2 ** 31 - 1);
const name = z.string().min(1).max(200);
const slot = z.enum(['blue', 'green']);
/** A header or release ends up in HTTP heads: visible ASCII only. */
const headerText = z.string().regex(/^[\x21-\x7e]{1,200}$/);

const stampSchema = z.strictObject({ epoch: count, version: count });

const endpointSchema = z.strictObject({ id: name, host: z.string().min(1).max(255), port });

const publicRouteSchema = z.strictObject({
  hosts: z.array(z.string().min(1).max(255)).max(1000),
  paths: z.array(z.string().startsWith('/').max(2000)).max(1000),
  sticky: z.boolean(),
  canaryHeader: z
    .strictObject({ name: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/), value: z.string().max(200) })
    .nullable(),
});

const pathPrefix = z.string().startsWith('/').max(2000);
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/);
/** A field value as RFC 9110, 5.5 has it, ASCII only. */
const headerValue = z.string().regex(/^[\x21-\x7e](?:[\t\x20-\x7e]{0,3998}[\x21-\x7e])?$/);

const edgeSchema = z.strictObject({
  headers: z.record(headerName, headerValue),
  compress: z.boolean(),
  rateLimits: z
    .array(
      z.strictObject({
        requestsPerSecond: z.number().positive().max(1e9),
        burst: z.number().int().min(1).max(1e9),
        per: z.enum(['client', 'route']),
        path: pathPrefix,
      }),
    )
    .max(100),
  hidden: z.array(pathPrefix).max(1000),
  maintenance: z
    .strictObject({ retryAfterSeconds: z.number().int().min(0).max(86_400), html: z.string().max(200_000).nullable() })
    .nullable(),
});

const entrySchema = z.strictObject({
  service: name,
  public: publicRouteSchema.nullable(),
  internalPort: port,
  internalHost: z.ipv4().optional(),
  proxy: z.strictObject({
    responseTimeoutMs: milliseconds,
    idleTimeoutMs: milliseconds,
    maxBodyBytes: count.nullable(),
    drainMs: milliseconds,
  }),
  edge: edgeSchema,
  stable: slot,
  candidateWeight: z.number().min(0).max(100),
  mirror: z.strictObject({ share: z.number().min(0).max(100), shapes: z.boolean() }).optional(),
  relayed: z.boolean().optional(),
  endpoints: z.strictObject({ blue: z.array(endpointSchema).max(10_000), green: z.array(endpointSchema).max(10_000) }),
  releases: z.strictObject({ blue: headerText.nullable(), green: headerText.nullable() }),
});

export const routeInForceSchema = z.strictObject({ stamp: stampSchema, entry: entrySchema });

const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('write'), stamp: stampSchema, entry: entrySchema }),
  z.strictObject({ kind: z.literal('remove'), stamp: stampSchema, service: name }),
  z.strictObject({ kind: z.literal('observe') }),
  z.strictObject({
    kind: z.literal('drain'),
    service: name,
    instances: z.array(name).max(10_000),
    drainMs: milliseconds,
  }),
  z.strictObject({ kind: z.literal('traffic'), service: name, afterSecond: z.number() }),
  z.strictObject({ kind: z.literal('current'), service: name }),
  z.strictObject({ kind: z.literal('health') }),
  /** Answered at once and never ended: the end of the answer is the end of the gateway. */
  z.strictObject({ kind: z.literal('watch') }),
  /** Order (or make, or read) certificates now, however fresh they are: those for a host, or all. */
  z.strictObject({ kind: z.literal('renew'), host: z.string().min(1).max(255).nullable() }),
  /** Replace the processes by those of a program (its `main`, run by `node`), without losing a connection. */
  z.strictObject({
    kind: z.literal('upgrade'),
    node: z.string().min(1).max(4_096),
    program: z.string().min(1).max(4_096),
    settings: gatewaySettingsSchema,
    limits: z.record(z.string().max(100), z.number()),
  }),
  /** Stop: no new connections, streams are told, what is in flight gets `drainMs`, then the process exits. */
  z.strictObject({ kind: z.literal('stop'), drainMs: milliseconds }),
]);

export type ControlRequest =
  | { readonly kind: 'write'; readonly stamp: WriteStamp; readonly entry: RouteTableEntry }
  | { readonly kind: 'remove'; readonly stamp: WriteStamp; readonly service: string }
  | { readonly kind: 'observe' }
  | {
      readonly kind: 'drain';
      readonly service: string;
      readonly instances: readonly string[];
      readonly drainMs: number;
    }
  | { readonly kind: 'traffic'; readonly service: string; readonly afterSecond: number }
  | { readonly kind: 'current'; readonly service: string }
  | { readonly kind: 'health' }
  | { readonly kind: 'watch' }
  | { readonly kind: 'renew'; readonly host: string | null }
  | {
      readonly kind: 'upgrade';
      readonly node: string;
      readonly program: string;
      readonly settings: GatewaySettings;
      readonly limits: Readonly<Record<string, number>>;
    }
  | { readonly kind: 'stop'; readonly drainMs: number };

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
}

/** What one worker has to do at the moment. */
export interface WorkerLoad {
  readonly inFlight: number;
  readonly streams: number;
  /** Requests that wait for an instance with room. */
  readonly queued: number;
  /** The same by service; services without a queue are left out. */
  readonly queues: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly memoryBytes: number;
}

export interface WorkerHealth {
  readonly pid: number;
  readonly generation: number;
  /** `retired`: accepts nothing more, and ends when what it still carries has ended. */
  readonly state: 'starting' | 'active' | 'retired';
  /** UTC milliseconds since when it is in this state. */
  readonly since: number;
  /** Null when it did not say in time. */
  readonly load: WorkerLoad | null;
}

/** One entry of the declared certificates, and what has come of it. */
export interface CertificateHealth {
  readonly source: 'files' | 'development' | 'acme';
  readonly hosts: readonly string[];
  /** What is shown to clients: the real one, one that we signed until there is a real one, or nothing. */
  readonly shown: 'real' | 'placeholder' | 'nothing';
  /** UTC milliseconds, of the certificate that is shown; null when there is none. */
  readonly expiresAt: number | null;
  /** UTC milliseconds at which it is to be replaced; null when that is not ours to do. */
  readonly renewAt: number | null;
  /** For people: what is wrong (why the last order failed), until when that does no harm, what happens next. */
  readonly warning: string | null;
  /** For people: what to do once, such as trusting the authority for development. */
  readonly note: string | null;
}

export interface GatewayHealth {
  readonly kind: 'health';
  readonly protocol: number;
  /** Process id of the supervisor. */
  readonly pid: number;
  /** Of the program that runs. */
  readonly version: string;
  /** Counts replacements. */
  readonly generation: number;
  /** UTC milliseconds since when this supervisor is in charge. */
  readonly since: number;
  readonly listen: GatewayAddress;
  readonly https: GatewayAddress | null;
  /** As given, with the ports that were taken where any was wanted. */
  readonly settings: GatewaySettings;
  readonly limits: Readonly<Record<string, number>>;
  readonly workers: readonly WorkerHealth[];
  /** Requests that wait for an instance with room, by service, of all workers. */
  readonly queues: Readonly<Record<string, number>>;
  readonly queued: number;
  readonly certificates: readonly CertificateHealth[];
  readonly services: number;
  readonly inFlight: number;
  readonly streams: number;
  /** False while the table cannot be written to disk: traffic flows, but a restart would serve an older table. */
  readonly persisted: boolean;
  /** What a person must know: a table set aside, a port that could not be opened, a disk that cannot be written. */
  readonly warnings: readonly string[];
}

export type RefusalCode = 'stale' | 'invalid' | 'port-unavailable' | 'still-in-table' | 'upgrade-failed' | 'internal';

export type ControlAnswer =
  | { readonly kind: 'in-force'; readonly inForce: RouteInForce; readonly persisted: boolean }
  | { readonly kind: 'removed'; readonly persisted: boolean }
  | { readonly kind: 'table'; readonly routes: readonly RouteInForce[] }
  | { readonly kind: 'drained'; readonly left: DrainProgress }
  | { readonly kind: 'traffic'; readonly seconds: readonly TrafficSecond[] }
  | { readonly kind: 'current'; readonly current: CurrentSecond | null }
  | GatewayHealth
  | { readonly kind: 'watching' }
  | { readonly kind: 'stopping' }
  /** It was tried: what came of it is in the health. False when no certificate is for this host. */
  | { readonly kind: 'renewed'; readonly found: boolean }
  /** The new supervisor is in charge; the old workers retire. */
  | { readonly kind: 'upgraded'; readonly pid: number; readonly generation: number }
  | {
      readonly kind: 'refused';
      readonly code: RefusalCode;
      readonly message: string;
      /** With `stale`: the stamp in force. */
      readonly inForce: WriteStamp | null;
    };

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** Checks a message that came in over the socket; the message of a failure names the path and what was expected. */
export function parseControlRequest(value: unknown): Parsed<ControlRequest> {
  const result = requestSchema.safeParse(value);
  // The schema checks what the brands of durations, sizes and hosts stand for.
  if (result.success) return { ok: true, value: result.data as ControlRequest };
  return { ok: false, message: z.prettifyError(result.error) };
}

/** Checks a route that was read from disk. */
export function parseRouteInForce(value: unknown): Parsed<RouteInForce> {
  const result = routeInForceSchema.safeParse(value);
  if (result.success) return { ok: true, value: result.data as unknown as RouteInForce };
  return { ok: false, message: z.prettifyError(result.error) };
}

const answerKinds: ReadonlySet<string> = new Set<ControlAnswer['kind']>([
  'in-force',
  'removed',
  'table',
  'drained',
  'traffic',
  'current',
  'health',
  'watching',
  'stopping',
  'renewed',
  'upgraded',
  'refused',
]);

/** Checks that an answer of the gateway is one; its content is trusted, since only the user's own gateway can answer. */
export function parseControlAnswer(value: unknown): Parsed<ControlAnswer> {
  if (typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string') {
    if (answerKinds.has(value.kind)) return { ok: true, value: value as ControlAnswer };
    return { ok: false, message: `unknown kind of answer: ${value.kind}` };
  }
  return { ok: false, message: 'the answer is no message of the gateway' };
}
