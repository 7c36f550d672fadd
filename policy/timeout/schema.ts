import { Type } from 'typebox';
import { duration } from '../schema/fields.ts';

/** The fields of a TimeoutPolicy's stanza: the source of the type, of the CRD and of the reference page. */
export const timeoutFields = Type.Object(
  {
    request: duration('From the head of the request to the end of its response, all attempts and the waits between them together.'),
    backendRequest: duration('One attempt: from the start of sending to the end of its response. Clamped to `request`.'),
    connect: duration('Until a connection to an endpoint is there, also for a connection of a TLSRoute or TCPRoute.'),
    idle: duration('How long a connection without a request stays open: the client\'s, and the pooled ones to endpoints.'),
    streamIdle: duration('How long an exchange may go without a byte in either direction, a connection of a TLSRoute or TCPRoute without one, or a flow of a UDPRoute without a datagram.'),
    requestHeaders: duration('From the first byte of a request to the end of its head. Acts on client connections: set it on a Gateway listener or above, or on the mesh or the clients\' namespace.'),
    maxConnectionDuration: duration('The age at which a client connection is closed, after the response in progress. Acts where `requestHeaders` acts; on connections of TLSRoutes and TCPRoutes, which are ended, at every level.'),
  },
  { minProperties: 1 },
);

/** What the data plane uses where nobody set a field. For the reference page only. */
export const timeoutDefaults: Readonly<Record<string, string>> = {
  request: 'none',
  backendRequest: 'none',
  connect: '`5s`',
  idle: '`60s` for client connections, `30s` for pooled ones',
  streamIdle: '`300s`; `1h` for connections of TLSRoutes and TCPRoutes through a Gateway, none in the mesh; `60s` for flows of UDPRoutes',
  requestHeaders: '`10s`',
  maxConnectionDuration: 'none',
};
