import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  X509Certificate,
} from '@peculiar/x509';

// Certificates that we sign ourselves: ECDSA on P-256, which every client of the last ten years has and which is made in a millisecond.

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const hourMs = 3_600_000;

export interface PemPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Validity {
  /** UTC milliseconds. It is valid an hour before, for clients whose clock is late. */
  readonly from: number;
  readonly ms: number;
}

/** An authority of its own. It can sign certificates for servers and nothing below another authority. */
export async function makeAuthority(name: string, validity: Validity, serial: Uint8Array): Promise<PemPair> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialOf(serial),
    name: [{ CN: [name] }],
    notBefore: new Date(validity.from - hourMs),
    notAfter: new Date(validity.from + validity.ms),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await keyPem(keys.privateKey) };
}

/** A server's certificate for these hosts, signed by the authority, or by its own key when that is null. */
export async function makeLeaf(
  hosts: readonly string[],
  authority: PemPair | null,
  validity: Validity,
  serial: Uint8Array,
): Promise<PemPair> {
  const keys = await makeKeys();
  const common = {
    serialNumber: serialOf(serial),
    notBefore: new Date(validity.from - hourMs),
    notAfter: new Date(validity.from + validity.ms),
    signingAlgorithm: algorithm,
  };
  const extensions = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(
      hosts.map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host })),
    ),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
  // A name of more than 64 letters does not fit; clients look at the alternative names only.
  const subject = [{ CN: [(hosts[0] ?? 'veza').slice(0, 64)] }];
  if (authority === null) {
    const certificate = await X509CertificateGenerator.createSelfSigned({ ...common, name: subject, keys, extensions });
    return { certificate: pemOf(certificate), key: await keyPem(keys.privateKey) };
  }
  const issuer = new X509Certificate(authority.certificate);
  const certificate = await X509CertificateGenerator.create({
    ...common,
    subject,
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(authority.key), algorithm, false, [
      'sign',
    ]),
    extensions: [...extensions, await AuthorityKeyIdentifierExtension.create(issuer.publicKey)],
  });
  return { certificate: pemOf(certificate), key: await keyPem(keys.privateKey) };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** Positive, and not so long that a client refuses it (RFC 5280, 4.1.2.2). */
function serialOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, 16)).toString('hex');
  return `4${hex.slice(1)}`;
}
