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
  /** Milliseconds to open a connection to an instance. */
  readonly connectTimeoutMs: number;
  /** Idle connections that are kept to one instance. */
  readonly maxIdlePerEndpoint: number;
}

export const defaultLimits: GatewayLimits = {
  maxHeaderBytes: 16_384,
  maxHeaders: 128,
  headersTimeoutMs: 10_000,
  keepAliveMs: 75_000,
  maxConnections: 20_000,
  maxInFlight: 4_096,
  maxStreams: 10_000,
  connectTimeoutMs: 3_000,
  maxIdlePerEndpoint: 256,
};

const positive = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1);

const limitsSchema = z.strictObject({
  maxHeaderBytes: positive.optional(),
  maxHeaders: positive.optional(),
  headersTimeoutMs: positive.optional(),
  keepAliveMs: positive.optional(),
  maxConnections: positive.optional(),
  maxInFlight: positive.optional(),
  maxStreams: positive.optional(),
  connectTimeoutMs: positive.optional(),
  maxIdlePerEndpoint: positive.optional(),
});

/** Fills in the defaults. Throws a ZodError that names each wrong limit. */
export const parseLimits = (value: unknown): GatewayLimits => ({
  ...defaultLimits,
  ...(limitsSchema.parse(value) as Partial<GatewayLimits>),
});
