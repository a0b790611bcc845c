import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { createSecureContext } from 'node:tls';
import { CertificateRefusedError } from '../../errors.ts';
import type { CertificateBundle } from './certificate-bundle.ts';

/** A certificate that may be shown to clients, and from when on it is valid (UTC milliseconds). */
export interface CheckedCertificate extends CertificateBundle {
  readonly notBefore: number;
  readonly leaf: X509Certificate;
}

/** Where the texts come from, for messages. */
export interface CertificateOrigin {
  readonly source: CertificateBundle['source'];
  readonly certificateFile: string;
  readonly keyFile: string;
}

/**
 * Checks what a client would stumble over: the key belongs to the certificate, the chain is in order, it names hosts.
 *
 * @param now UTC milliseconds; an expired certificate is refused. Null: it may be expired
 * @throws CertificateRefusedError which says what is wrong with which file
 */
export function checkCertificate(
  certificate: string,
  key: string,
  origin: CertificateOrigin,
  now: number | null,
): CheckedCertificate {
  const { certificateFile, keyFile, source } = origin;
  const chain = chainOf(certificate, certificateFile);
  const [leaf] = chain;
  if (leaf === undefined) throw new CertificateRefusedError(certificateFile, 'it holds no PEM certificate');
  const hosts = hostsOf(leaf);
  // `openssl req -x509` makes servers' certificates that say they are an authority's. A real one signs others, or names no host.
  if (leaf.ca && (hosts.length === 0 || !isSelfSigned(leaf)))
    throw new CertificateRefusedError(
      certificateFile,
      'its first certificate is that of an authority, not of a server; one that is signed by itself has to name its hosts (subject alternative name)',
    );
  if (!leaf.checkPrivateKey(keyOf(key, keyFile))) {
    throw new CertificateRefusedError(keyFile, `it is not the key of the certificate in ${certificateFile}`);
  }
  for (const [at, issuer] of chain.entries()) {
    const issued = at === 0 ? undefined : chain[at - 1];
    if (issued === undefined) continue;
    if (!issued.checkIssued(issuer) || !issued.verify(issuer.publicKey)) {
      throw new CertificateRefusedError(
        certificateFile,
        `its certificate ${at + 1} (${oneLine(issuer.subject)}) did not sign certificate ${at} (${oneLine(issued.subject)}): the server's goes first, each followed by its issuer`,
      );
    }
  }
  if (hosts.length === 0)
    throw new CertificateRefusedError(certificateFile, 'it names no host (subject alternative name)');
  const notAfter = Date.parse(leaf.validTo);
  if (now !== null && notAfter <= now) {
    throw new CertificateRefusedError(certificateFile, `it expired on ${new Date(notAfter).toISOString()}`);
  }
  try {
    createSecureContext({ cert: certificate, key });
  } catch (error) {
    throw new CertificateRefusedError(certificateFile, `OpenSSL refuses it: ${(error as Error).message}`);
  }
  return { hosts, certificate, key, notAfter, notBefore: Date.parse(leaf.validFrom), source, leaf };
}

function chainOf(pem: string, file: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new CertificateRefusedError(file, `its certificate ${at + 1} cannot be read`);
    }
  });
}

function keyOf(pem: string, file: string): KeyObject {
  if (/ENCRYPTED/.test(pem)) {
    throw new CertificateRefusedError(
      file,
      'the key has a passphrase; a gateway that starts by itself cannot be asked for it',
    );
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw new CertificateRefusedError(file, 'it holds no PEM private key');
  }
}

/** Names and addresses of the subject alternative name, lower case. */
function hostsOf(leaf: X509Certificate): string[] {
  const names = leaf.subjectAltName ?? '';
  const found = [...names.matchAll(/(?:^|, )(?:DNS|IP Address):([^",\s]+)/g)];
  return found.map(([, name = '']) => (isIPv6(name) ? shortened(name) : name.toLowerCase()));
}

/** OpenSSL writes all eight groups of an IPv6 address; everybody else writes it as RFC 5952 has it. */
const shortened = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);

const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);

function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ');
}
