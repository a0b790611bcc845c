import type { Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { CertificateBook } from '../data-plane.ts';

export interface TlsOptions {
  readonly book: CertificateBook;
  /** The contexts of the book say the same; a connection below it is closed whatever they say. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Offers HTTP/2 beside HTTP/1.1 (ALPN, RFC 7301). */
  readonly http2: boolean;
  /** Milliseconds from the connection to the end of its handshake. */
  readonly handshakeTimeoutMs: number;
  /** Whether there is room for one more connection; asked before anything is spent on it. Missing: always. */
  readonly mayAccept?: () => boolean;
}

export interface TlsAcceptance {
  /**
   * Takes no more connections. Handshakes that are under way are finished and handed over, or a client would lose its
   * connection to a gateway that is being replaced; the deadline bounds them.
   */
  close(): void;
  /** Connections whose handshake is not over. */
  readonly handshakes: number;
}

/**
 * Encrypts what comes in by a socket that is already listening. The certificate is looked up at each handshake, so replacing
 * them cuts nothing. A name that no certificate has gets the default one, as a client without SNI does: its user sees which
 * certificate that is, instead of an alert that says nothing. Failed handshakes end their connection and are told to nobody.
 *
 * @param onConnection called once the handshake is over, with nothing read yet
 */
export function acceptTls(
  listening: Server,
  options: TlsOptions,
  onConnection: (socket: TLSSocket, protocol: 'h2' | 'http/1.1') => void,
): TlsAcceptance {
  const { book, minVersion, http2, handshakeTimeoutMs } = options;
  const shaking = new Set<Socket>();
  const protocols = http2 ? ['h2', 'http/1.1'] : ['http/1.1'];

  function accept(raw: Socket): void {
    raw.on('error', () => {});
    const secureContext = book.contextFor(null);
    if (secureContext === null || options.mayAccept?.() === false) {
      raw.destroy();
      return;
    }
    raw.setNoDelay(true);
    shaking.add(raw);
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext,
      ALPNProtocols: protocols,
      SNICallback: (serverName, done) => done(null, book.contextFor(serverName) ?? secureContext),
    });
    const late = setTimeout(() => {
      socket.destroy();
      raw.destroy();
    }, handshakeTimeoutMs);
    const over = (): void => {
      clearTimeout(late);
      shaking.delete(raw);
    };
    socket.on('error', () => {});
    // A handshake that fails is reported here, and by `error` only when it has been let through to us.
    socket.on('_tlsError', () => {
      socket.destroy();
      raw.destroy();
    });
    socket.once('close', () => {
      over();
      raw.destroy();
    });
    raw.once('close', over);
    socket.once('secure', () => {
      over();
      const tooOld = minVersion === 'TLSv1.3' && socket.getProtocol() !== 'TLSv1.3';
      if (tooOld || socket.destroyed) {
        socket.destroy();
        return;
      }
      // As tls.Server does, which cannot be used: its certificate for clients without SNI is not looked up. node:http2 waits for it.
      Object.assign(socket, { secureConnecting: false });
      onConnection(socket, socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1');
    });
  }

  listening.on('connection', accept);
  return {
    close() {
      listening.off('connection', accept);
    },
    get handshakes() {
      return shaking.size;
    },
  };
}
