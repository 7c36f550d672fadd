import { connect, Socket, type OnReadOpts } from 'node:net';
import { connect as connectSecurely, type TLSSocket } from 'node:tls';
import { hostPort, type Endpoint } from '#snapshot';
import { tlsOptionsOf, type UpstreamTls } from '../../configuration/backend-tls.ts';
import type { Context } from '../../context.ts';
import { boundUnsent, type Reader, type SocketIO } from '../../sockets/index.ts';
import { plainAddress } from '../../streams/address.ts';
import type { EndpointPool } from '../pool.ts';

const readBytes = 65_536;
/** All connections to endpoints read into the same memory; who needs bytes beyond the event copies them. */
const readBuffer = Buffer.allocUnsafeSlow(readBytes);

/** Of OpenSSL, for what a server says before it takes anything. In TLS 1.3 it looks at the client's certificate when the client is through. */
export const lateAlert = /^ERR_SSL_(?:TLSV1|TLSV13|SSLV3|SSL)_ALERT_/;

/**
 * A connection to an endpoint as its pool wants it. In the clear it is there with `connect`; secured, with `secureConnect`, which does not come
 * unless the other side proved to be the one that was meant: whoever hears it uncorks the socket, and nothing leaves before. Where TLS can't be
 * spoken, the socket fails without having been opened.
 */
export function openSocket(endpoint: Endpoint, pool: EndpointPool, io: SocketIO, read: Reader): Socket {
  const { security } = pool;
  const onread: OnReadOpts = {
    buffer: readBuffer,
    // Pausing is done elsewhere.
    callback: (length, bytes) => {
      read(bytes as Buffer, length);
      return true;
    },
  };
  const place = { host: endpoint.address, port: endpoint.port, allowHalfOpen: true, onread };
  if (security === undefined) {
    const socket = connect({ ...place, noDelay: true });
    // Before, a name may lead to one handle after the other.
    socket.once('connect', () => {
      boundUnsent(socket);
      io.lend(socket, readBuffer, read);
    });
    return socket;
  }
  if ('unusable' in security) return new Socket().destroy(Object.assign(new Error(security.unusable), { code: security.unusable }));
  const socket = connectSecurely({ ...place, ...tlsOptionsOf(security), ...(pool.session === undefined ? {} : { session: pool.session }) });
  socket.once('connect', () => boundUnsent(socket));
  socket.setNoDelay(true);
  socket.cork();
  keepSessions(socket, pool);
  return socket;
}

/** Whether a connection that is there leads to where workloads' requests are accepted. Only then is it known where a name leads. */
export function leadsBack({ outboundPlaces }: Context, { remoteAddress = '', remotePort = 0 }: Socket): boolean {
  return outboundPlaces.size > 0 && outboundPlaces.has(hostPort(plainAddress(remoteAddress), remotePort));
}

/** Has someone told of an error in writing, which else ends the socket at once, with what it has to be read. `failed` says whether it is read on; whoever was told then ends it. */
export function tellFailedWrites(socket: Socket, failed: (error: NodeJS.ErrnoException) => boolean): void {
  socket.destroy = (error?: NodeJS.ErrnoException) => {
    if (error?.syscall === 'write' && failed(error)) return socket;
    return Socket.prototype.destroy.call(socket, error);
  };
}

/** Whether a connection that is there speaks what was asked for; a server that knows no ALPN speaks HTTP/1.1 (RFC 7301, 3.2). */
export function speaksAsAsked(socket: Socket, tls: UpstreamTls): boolean {
  return !tls.alpn.includes('h2') || (socket as TLSSocket).alpnProtocol === 'h2';
}

/** TLS 1.2 tells a session before the certificate was looked at; one of a server that is not the right one must not be kept. */
function keepSessions(socket: TLSSocket, pool: EndpointPool): void {
  let early: Buffer | undefined;
  let trusted = false;
  socket.on('session', (session) => {
    if (trusted) pool.session = session;
    else early = session;
  });
  socket.once('secureConnect', () => {
    trusted = true;
    if (early !== undefined) pool.session = early;
  });
}
