import type { Socket } from 'node:net';
import { ClientConnection } from '../connection/client.ts';
import { Http2Client } from '../connection/http2/client.ts';
import type { Context } from '../context.ts';
import type { GatewayBinding } from './gateway.ts';
import type { OutboundBinding } from './outbound.ts';

/** HTTP on a connection that was accepted, with TLS ended where there is any. `serverName`: lower case, empty without one. */
export function acceptClient(context: Context, binding: GatewayBinding | OutboundBinding, socket: Socket, serverName: string): void {
  const { metrics } = context;
  metrics.count('client_connections_accepted');
  metrics.move('client_connections_active', 1);
  if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') {
    const client = new Http2Client(context, binding, socket, serverName);
    binding.clients.add(client);
    client.start(socket);
  } else binding.clients.add(new ClientConnection(context, binding, socket, serverName));
}
