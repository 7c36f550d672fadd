import type { ServicePort } from '#crds';
import type { RouteKind } from '../graph/routes/route.ts';

export type PortProtocol = 'http' | 'tls' | 'tcp' | 'detect';

/** First words of port names: `http`, `http-admin`. Protocols in which the server may speak first must be here, for detection waits. */
const byName: Readonly<Record<string, PortProtocol>> = {
  http: 'http',
  ws: 'http',
  http2: 'http',
  h2c: 'http',
  grpc: 'http',
  https: 'tcp',
  tls: 'tcp',
  tcp: 'tcp',
  amqp: 'tcp',
  ftp: 'tcp',
  imap: 'tcp',
  kafka: 'tcp',
  ldap: 'tcp',
  mongo: 'tcp',
  mongodb: 'tcp',
  mysql: 'tcp',
  nats: 'tcp',
  pop3: 'tcp',
  postgres: 'tcp',
  postgresql: 'tcp',
  redis: 'tcp',
  smtp: 'tcp',
  ssh: 'tcp',
};

/**
 * What a Service port that the mesh serves speaks: what the kind of route says that is attached to it, for whoever attached it wants it
 * followed; else by `appProtocol` (those that are not HTTP never get here), then by the port's name, else a sidecar has to look at the bytes.
 */
export function portProtocol(port: ServicePort, route: RouteKind | undefined): PortProtocol {
  if (route === 'TLSRoute') return 'tls';
  if (route === 'TCPRoute') return 'tcp';
  if (route !== undefined || port.appProtocol !== undefined) return 'http';
  const [word = ''] = port.name.split('-');
  return Object.hasOwn(byName, word) ? byName[word]! : 'detect';
}
