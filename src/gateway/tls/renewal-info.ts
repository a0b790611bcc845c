import type { X509Certificate } from 'node:crypto';
import { X509Certificate as ParsedCertificate, AuthorityKeyIdentifierExtension } from '@peculiar/x509';
import type { AuthorityLine } from './acme-transport.ts';

/** When the authority wants a certificate to be replaced (RFC 9773). A window in the past: at once, it has been revoked or will be. */
export interface RenewalInfo {
  /** UTC milliseconds. */
  readonly start: number;
  readonly end: number;
  /** Milliseconds until it is worth asking again. */
  readonly askAgainMs: number;
}

/**
 * Asks the authority.
 *
 * @returns null when it does not offer this, or says nothing that can be used
 */
export async function renewalInfo(
  line: AuthorityLine,
  leaf: X509Certificate,
  signal: AbortSignal,
): Promise<RenewalInfo | null> {
  const id = certificateId(leaf);
  const directory = await line.read(line.directory, signal);
  if (id === null || directory === null) return null;
  const { renewalInfo: base } = JSON.parse(directory.text) as { readonly renewalInfo?: unknown };
  if (typeof base !== 'string') return null;
  const answer = await line.read(`${base.replace(/\/$/, '')}/${id}`, signal);
  if (answer === null) return null;
  const { suggestedWindow } = JSON.parse(answer.text) as {
    readonly suggestedWindow?: { readonly start?: string; readonly end?: string };
  };
  const start = Date.parse(suggestedWindow?.start ?? '');
  const end = Date.parse(suggestedWindow?.end ?? '');
  if (Number.isNaN(start) || Number.isNaN(end) || end < start) return null;
  return { start, end, askAgainMs: answer.retryAfterMs ?? 6 * 3_600_000 };
}

/** Key identifier of the issuer and serial number, RFC 9773, 4.1. */
function certificateId(leaf: X509Certificate): string | null {
  const parsed = new ParsedCertificate(leaf.raw);
  const issuer = parsed.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
  if (issuer === undefined) return null;
  const serial = Buffer.from(parsed.serialNumber, 'hex');
  return `${Buffer.from(issuer, 'hex').toString('base64url')}.${serial.toString('base64url')}`;
}
