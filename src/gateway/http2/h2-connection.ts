import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { ClientRequest } from '../client-request.ts';
import type { ClientStream } from '../client-stream.ts';
import type { GatewayLimits } from '../limits.ts';
import { requestOf } from './h2-request.ts';
import { Http2ClientStream } from './h2-stream.ts';
import { TokenBucket } from './token-bucket.ts';

/** Requests that one connection may have open. Browsers use up to 100. */
const maxStreams = 100;
/** Streams that end by a reset, whoever sent it (CVE-2023-44487, CVE-2025-8671): so many at once, so many a second. */
const resets = { burst: 200, perSecond: 20 };
/** PING and SETTINGS, each of which has to be answered (CVE-2019-9512, CVE-2019-9515). */
const controls = { burst: 200, perSecond: 20 };
/**
 * Bytes that are neither heads nor bodies nor proportional to what we sent: windows, priorities, empty frames
 * (CVE-2019-9513, -9517, -9518). A download of 1 GB costs about 1 MB of WINDOW_UPDATE, which the credit covers.
 */
const overhead = { burst: 262_144, perSecond: 32_768 };
/** Framing of one DATA frame in a TLS record of its own, and some. */
const frameCredit = 64;
/**
 * Bytes that a client may have on its way: at 30 ms there and back, an upload of 8 MB a second. Also what it may have sent on
 * a stream before it hears that it is over.
 */
const streamWindow = 262_144;
/** The same for all streams of a connection together: what a client can make us hold of bodies. */
const connectionWindow = 1_048_576;
/** Milliseconds between the first GOAWAY and the last when the client does not answer our PING. */
const noticeMs = 1_000;
/** Milliseconds that a client has to take GOAWAY and to close its side. */
const lingerMs = 2_000;

export interface Http2Connection {
  /** Tells the client to go elsewhere with its next request; what runs is finished, then the connection ends. */
  goAway(): void;
  /** Resets all streams and closes the connection. */
  destroy(): void;
  readonly openStreams: number;
}

/**
 * Serves HTTP/2 on a connection that has negotiated it. To be called in the turn in which its handshake was over. Floods end
 * the connection with GOAWAY(ENHANCE_YOUR_CALM), malformed requests their stream (RFC 9113).
 *
 * @param onRequest sets `stream.events` before it returns; not called for what is malformed
 */
export function serveHttp2(
  socket: TLSSocket,
  onRequest: (request: ClientRequest, stream: ClientStream) => void,
  limits: GatewayLimits,
): Http2Connection {
  const now = (): number => performance.now();
  const remoteAddress = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const open = new Set<ServerHttp2Stream>();
  const resetBudget = new TokenBucket(resets.burst, resets.perSecond, now());
  const controlBudget = new TokenBucket(controls.burst, controls.perSecond, now());
  const overheadBudget = new TokenBucket(overhead.burst, overhead.perSecond, now());
  /** Bytes that are accounted for, and up to where they were compared. */
  let credit = 0;
  const tlsVersion = socket.getProtocol();
  let read = socket.bytesRead;
  let written = socket.bytesWritten;
  let activeAt = now();
  let served = false;
  let leaving = false;
  let endedAt: number | null = null;

  const session: ServerHttp2Session = performServerHandshake(socket, {
    maxSettings: 16,
    maxOutstandingPings: 4,
    maxSessionMemory: 8,
    maxHeaderListPairs: limits.maxHeaders + 4,
    maxSessionInvalidFrames: 64,
    maxSessionRejectedStreams: 100,
    streamResetBurst: resets.burst,
    streamResetRate: resets.perSecond,
    // Answers are passed on as the instance gave them; requests are checked here.
    strictSingleValueFields: false,
    settings: {
      maxConcurrentStreams: maxStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
      initialWindowSize: streamWindow,
      enablePush: false,
      enableConnectProtocol: false,
    },
  });
  session.setLocalWindowSize(connectionWindow);
  session.on('error', () => {});
  session.on('ping', () => spend(controlBudget));
  session.on('remoteSettings', () => spend(controlBudget));
  const timer = setInterval(watch, Math.max(10, Math.min(1_000, limits.keepAliveMs, limits.headersTimeoutMs)));
  timer.unref();
  session.once('close', () => clearInterval(timer));

  session.on('stream', (stream, _headers, flags, block: readonly string[]) => {
    served = true;
    activeAt = now();
    open.add(stream);
    let headerBytes = 0;
    for (const text of block) headerBytes += text.length + 16;
    credit += headerBytes;
    stream.once('close', () => {
      open.delete(stream);
      activeAt = now();
      credit += streamWindow;
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) spend(resetBudget);
    });
    if (headerBytes > limits.maxHeaderBytes) {
      // nghttp2 holds clients to it only once they have acknowledged our SETTINGS.
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    const request = requestOf(block, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    if ('malformed' in request) {
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      return;
    }
    onRequest(
      request,
      new Http2ClientStream(stream, request.body, remoteAddress, { tlsVersion, received, endAfter: goAway }),
    );
  });

  function received(bytes: number): void {
    credit += bytes + frameCredit;
  }

  function spend(budget: TokenBucket): void {
    if (!budget.take(1, now())) calm();
  }

  function calm(): void {
    if (session.destroyed) return;
    session.destroy(new Error('the client floods the connection'), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  function watch(): void {
    const at = now();
    if (session.destroyed || (session.closed && open.size === 0)) {
      // node:http2 waits for the client to take the last bytes and to close, which it may never do.
      endedAt ??= at;
      if (at - endedAt >= lingerMs) socket.destroy();
      return;
    }
    let waiting = 0;
    for (const stream of open) waiting += stream.readableLength;
    const sent = socket.bytesWritten - written;
    const unexplained = socket.bytesRead - read - credit - waiting - sent / 16;
    read = socket.bytesRead - waiting;
    written = socket.bytesWritten;
    credit = 0;
    if (!overheadBudget.take(Math.max(0, unexplained), at)) return calm();
    if (open.size > 0) return;
    const idle = at - activeAt;
    // Whoever connects has a request; half a header block is idle too.
    if (idle >= (served ? limits.keepAliveMs : limits.headersTimeoutMs)) session.close();
  }

  /**
   * Twice, as RFC 9113, 6.8 advises: requests that are on their way while the first GOAWAY is are still served, the second one
   * names the last of them.
   */
  function goAway(): void {
    if (leaving || session.closed || session.destroyed) return;
    leaving = true;
    session.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    const last = (): void => {
      clearTimeout(late);
      if (!session.closed && !session.destroyed) session.close();
    };
    const late = setTimeout(last, noticeMs);
    late.unref();
    session.once('close', () => clearTimeout(late));
    session.ping(last);
  }

  return {
    goAway,
    destroy() {
      if (!session.destroyed) session.destroy();
    },
    get openStreams() {
      return open.size;
    },
  };
}
