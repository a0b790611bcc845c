import { z } from 'zod';
import { IMAGE_RULES, type ImageRuleName } from '../core/policy/image/rules.ts';

const ruleNames = Object.keys(IMAGE_RULES) as [ImageRuleName, ...ImageRuleName[]];

export const ImageScanRequestSchema = z
  .strictObject({
    environment: z.string().min(1).nullable().default(null),
    services: z.array(z.string().min(1)).readonly().default([]).describe('empty means all of the environment'),
    release: z.string().min(1).nullable().default(null).describe('id or prefix; null means the newest one of each'),
  })
  .readonly();
export type ImageScanRequest = z.output<typeof ImageScanRequestSchema>;

export const ImageScanProgressSchema = z.object({ service: z.string(), text: z.string() }).readonly();
export type ImageScanProgressView = z.infer<typeof ImageScanProgressSchema>;

const FindingSchema = z
  .object({
    rule: z.enum(ruleNames),
    severity: z.enum(['refuse', 'warn']),
    where: z.string().describe('a path with its layer, a field of the configuration, or a package'),
    found: z.string().describe('never a secret'),
    why: z.string(),
    next: z.string().describe('what to do'),
  })
  .readonly();

const PackageSchema = z
  .object({
    ecosystem: z.string().describe('as OSV calls it'),
    name: z.string(),
    version: z.string().nullable(),
    licence: z.string().nullable(),
    where: z.string().describe('the file that says so'),
  })
  .readonly();

/** An image and what every rule says about it. */
export const ImageScanSchema = z
  .object({
    service: z.string(),
    release: z.string(),
    image: z.string().describe('digest of its configuration: what a Docker Engine calls it'),
    manifest: z.string().nullable().describe('what registries call it'),
    layers: z.number(),
    bytes: z.number().describe('of all layers, unpacked'),
    files: z.number(),
    packages: z.array(PackageSchema).readonly(),
    passes: z.boolean().describe('false: a deployment to containers is refused'),
    vulnerabilities: z.string().describe('where they were looked up, or why they were not'),
    findings: z.array(FindingSchema).readonly(),
    excused: z.array(z.object({ finding: FindingSchema, reason: z.string(), until: z.string() }).readonly()).readonly(),
  })
  .readonly();
export type ImageScanView = z.infer<typeof ImageScanSchema>;

const registryAccess = {
  credentials: z
    .strictObject({ username: z.string().min(1), password: z.string() })
    .readonly()
    .nullable()
    .default(null)
    .describe('for the registry; kept nowhere'),
  authority: z.string().min(1).nullable().default(null).describe('PEM, besides the authorities that are known'),
};

export const ImagePushRequestSchema = z
  .strictObject({
    environment: z.string().min(1).nullable().default(null),
    services: z.array(z.string().min(1)).readonly().default([]).describe('empty means all of the environment'),
    release: z.string().min(1).nullable().default(null).describe('id or prefix; null means the newest one of each'),
    to: z.string().min(1).describe('HOST[:PORT]/PATH; each service gets a repository below it'),
    ...registryAccess,
  })
  .readonly();
export type ImagePushRequest = z.output<typeof ImagePushRequestSchema>;

/** An image in a registry. */
export const ImagePushSchema = z
  .object({
    service: z.string(),
    release: z.string(),
    reference: z.string().describe('HOST/REPOSITORY:TAG@DIGEST'),
    bytes: z.number().describe('that were sent'),
    sent: z.number().describe('layers and configurations that were sent'),
    known: z.number().describe('that the registry had already'),
    sbom: z.string().describe('digest of the manifest beside the image that has its packages'),
    provenance: z.string().describe('digest of the manifest beside the image that has its signed origin'),
    key: z.string().describe('SHA-256 of the public key, X.509 DER'),
  })
  .readonly();
export type ImagePushView = z.infer<typeof ImagePushSchema>;

export const ImageVerificationRequestSchema = z
  .strictObject({
    image: z.string().min(1).describe('HOST[:PORT]/REPOSITORY with :TAG or @DIGEST'),
    key: z.string().min(1).nullable().default(null).describe("public key in PEM; null means the project's own"),
    ...registryAccess,
  })
  .readonly();
export type ImageVerificationRequest = z.output<typeof ImageVerificationRequestSchema>;

/** What a signature vouches for. */
export const ImageVerificationSchema = z
  .object({
    reference: z.string().describe('with its digest'),
    manifest: z.string(),
    service: z.string(),
    release: z.string(),
    commit: z.string(),
    dirty: z.boolean(),
    builtAt: z.string().describe('RFC 3339'),
  })
  .readonly();
export type ImageVerificationView = z.infer<typeof ImageVerificationSchema>;

export const ImagePinRequestSchema = z
  .strictObject({
    image: z
      .string()
      .min(1)
      .describe('HOST[:PORT]/REPOSITORY with :TAG, which means the newest one when it is left out'),
    ...registryAccess,
  })
  .readonly();
export type ImagePinRequest = z.output<typeof ImagePinRequestSchema>;

export const ImagePinSchema = z.object({ image: z.string().describe('HOST[:PORT]/REPOSITORY@DIGEST') }).readonly();
export type ImagePinView = z.infer<typeof ImagePinSchema>;
