import { z } from 'zod';
import type { GatewaySettings } from './gateway-settings.ts';

const host = z.string().min(1).max(255);
/** 0 takes a free one. */
const port = z.number().int().min(0).max(65_535);
const hosts = z.array(host).min(1).max(1000);
const file = z.string().min(1).max(4_096);

const certificateSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('files'), certificate: file, key: file }),
  z.strictObject({ kind: z.literal('development'), hosts }),
  z.strictObject({
    kind: z.literal('acme'),
    hosts,
    email: z.string().max(320).nullable(),
    directory: z.url(),
    trust: file.nullable(),
  }),
]);

/** Checks what one process of the gateway hands to another, or the control plane to it. */
export const gatewaySettingsSchema: z.ZodType<GatewaySettings> = z.strictObject({
  workers: z.number().int().min(1).max(256).nullable(),
  http: z.strictObject({ host, port }),
  https: z
    .strictObject({
      host,
      port,
      minVersion: z.enum(['TLSv1.2', 'TLSv1.3']),
      http2: z.boolean(),
      redirect: z.boolean(),
      hsts: z
        .strictObject({
          maxAgeSeconds: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
          includeSubDomains: z.boolean(),
          preload: z.boolean(),
        })
        .nullable(),
      certificates: z.array(certificateSchema).max(1000),
    })
    .nullable(),
  accessLog: z.strictObject({ addresses: z.enum(['truncated', 'hashed']) }).nullable(),
  lingerMs: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1),
});
