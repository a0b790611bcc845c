import { z } from 'zod';

/** What one gateway accepts at most. Limits of one service (body, timeouts) are in its entry of the table. */
export interface GatewayLimits {
  /** Bytes of a request's or answer's head. */
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** Milliseconds that a client has to send a complete head. */
  readonly headersTimeoutMs: number;
  /** Milliseconds that an idle connection of a client is kept. */
  readonly keepAliveMs: number;
  /** Connections of one listener. */
  readonly maxConnections: number;
  /** Plain requests of one service at a time; more are answered with 503. */
  readonly maxInFlight: number;
  /** WebSockets, tunnels and event streams of one service at a time. */
  readonly maxStreams: number;
  /** Copies of requests to the candidate of one service at a time; what would be more is not copied. */
  readonly maxCopies: number;
  /** Milliseconds to open a connection to an instance. */
  readonly connectTimeoutMs: number;
  /** Idle connections that are kept to one instance. */
  readonly maxIdlePerEndpoint: number;
  /** Requests of one service that wait for a place below `maxInFlight`; more are answered with 503 at once. */
  readonly maxQueued: number;
  /** Milliseconds that a request waits for a place. */
  readonly maxQueueMs: number;
  /** Bytes a second that a body must bring on average over `bodyWindowMs`, as long as the instance takes them. */
  readonly minBodyBytesPerSecond: number;
  /** Milliseconds. */
  readonly bodyWindowMs: number;
  /** Milliseconds that a client may take nothing of an answer that is complete. */
  readonly clientStallMs: number;
  /** Share of requests that may be sent a second time after something of them was written. */
  readonly retryRatio: number;
  /** Second attempts a second that are allowed whatever the share. */
  readonly minRetriesPerSecond: number;
}

export const defaultLimits: GatewayLimits = {
  maxHeaderBytes: 16_384,
  maxHeaders: 128,
  headersTimeoutMs: 10_000,
  keepAliveMs: 75_000,
  maxConnections: 20_000,
  maxInFlight: 4_096,
  maxStreams: 10_000,
  maxCopies: 16,
  connectTimeoutMs: 3_000,
  maxIdlePerEndpoint: 256,
  maxQueued: 1_000,
  maxQueueMs: 1_000,
  minBodyBytesPerSecond: 100,
  bodyWindowMs: 30_000,
  clientStallMs: 60_000,
  retryRatio: 0.1,
  minRetriesPerSecond: 10,
};

const positive = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1);

const countOf = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const limitsSchema = z.strictObject({
  maxHeaderBytes: positive.optional(),
  maxHeaders: positive.optional(),
  headersTimeoutMs: positive.optional(),
  keepAliveMs: positive.optional(),
  maxConnections: positive.optional(),
  maxInFlight: positive.optional(),
  maxStreams: positive.optional(),
  maxCopies: positive.optional(),
  connectTimeoutMs: positive.optional(),
  maxIdlePerEndpoint: positive.optional(),
  maxQueued: countOf.optional(),
  maxQueueMs: positive.optional(),
  minBodyBytesPerSecond: countOf.optional(),
  bodyWindowMs: positive.optional(),
  clientStallMs: positive.optional(),
  retryRatio: z.number().min(0).max(1).optional(),
  minRetriesPerSecond: countOf.optional(),
});

/** Fills in the defaults. Throws a ZodError that names each wrong limit. */
export const parseLimits = (value: unknown): GatewayLimits => ({
  ...defaultLimits,
  ...(limitsSchema.parse(value) as Partial<GatewayLimits>),
});
