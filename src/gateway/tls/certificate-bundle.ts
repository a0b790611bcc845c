/** A certificate that can be shown to clients, with its key. Plain data: it goes from the supervisor to the workers. */
export interface CertificateBundle {
  /** Names it is valid for, lower case; `*.example.org` stands for one label. */
  readonly hosts: readonly string[];
  /** PEM: the certificate, then those that lead to a root. */
  readonly certificate: string;
  /** PEM, without a passphrase. */
  readonly key: string;
  /** UTC milliseconds. */
  readonly notAfter: number;
  /** `placeholder`: signed by itself, until the authority has issued the real one. */
  readonly source: 'files' | 'development' | 'acme' | 'placeholder';
}
