import type { Service, ServicePort } from '#crds';
import type { Backend } from '#snapshot';
import { refOf } from '../problems.ts';
import { readTlsVariant, tlsVariantName } from './tls/variants.ts';

/** What a route sends to its backends. */
export type Carried = 'http' | 'grpc' | 'tcp' | 'udp';

/** By the kind of what refers to the backend; what is none of Gateway API's routes sends HTTP. */
export function carriedBy(kind: string): Carried {
  switch (kind) {
    case 'GRPCRoute':
      return 'grpc';
    case 'TLSRoute':
    case 'TCPRoute':
      return 'tcp';
    case 'UDPRoute':
      return 'udp';
    default:
      return 'http';
  }
}

export type Refusal = { readonly reason: string; readonly message: string };

/** A Service may have TCP and UDP on one number: the port that can carry it, else whichever there is. */
export function portOf(service: Service, number: number, carried: Carried = 'http'): ServicePort | undefined {
  const ports = service.spec.ports.filter((port) => port.port === number);
  return ports.find((port) => port.protocol === (carried === 'udp' ? 'UDP' : 'TCP')) ?? ports[0];
}

/** Application protocols: IANA's names and KEP-3726's, and those that are in use besides. Lower case. */
const httpProtocols: Readonly<Record<string, 'http1' | 'http2'>> = {
  'http': 'http1',
  'ws': 'http1',
  'kubernetes.io/ws': 'http1',
  'kubernetes.io/h2c': 'http2',
  'h2c': 'http2',
  'http2': 'http2',
  'grpc': 'http2',
};

/** HTTP inside TLS. */
const secureProtocols = new Set(['https', 'wss', 'kubernetes.io/wss']);

/** Whether the port itself says that it speaks HTTP inside TLS, and nothing else. */
export function isSecure({ appProtocol = '' }: ServicePort): boolean {
  return secureProtocols.has(appProtocol.toLowerCase());
}

/**
 * What a port speaks where nobody says otherwise: by `appProtocol`, else by the first word of its name (`grpc-web` is HTTP/1.1), else HTTP/1.1.
 * Undefined for SCTP.
 */
export function plainProtocol({ protocol, appProtocol, name }: ServicePort): Backend['protocol'] | undefined {
  if (protocol !== 'TCP') return protocol === 'UDP' ? 'udp' : undefined;
  if (appProtocol !== undefined) return ownEntry(httpProtocols, appProtocol.toLowerCase()) ?? 'tcp';
  if (name === 'grpc-web' || name.startsWith('grpc-web-')) return 'http1';
  return ownEntry(httpProtocols, name.split('-')[0] ?? '') ?? 'http1';
}

function ownEntry<V>(record: Readonly<Record<string, V>>, key: string): V | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Why a route that carries this can't have the port, if so. */
export function protocolRefusal(service: Service, port: ServicePort, carried: Carried): Refusal | undefined {
  const { kind, namespace, name } = refOf(service);
  const where = `port ${port.port} of ${kind} ${namespace}/${name}`;
  const refuse = (message: string): Refusal => ({ reason: 'UnsupportedProtocol', message: `${where} ${message}` });
  if (carried === 'udp') return port.protocol === 'UDP' ? undefined : refuse(`is ${port.protocol}; a UDPRoute needs UDP`);
  if (port.protocol !== 'TCP') return refuse(`is ${port.protocol}; ${nameOf[carried]} needs TCP`);
  if (carried === 'tcp') return undefined;
  const { appProtocol } = port;
  if (isSecure(port)) return refuse(`has appProtocol ${appProtocol}: a Gateway needs a BackendTLSPolicy to speak TLS to it, and the mesh speaks none`);
  if (plainProtocol(port) === 'tcp') return refuse(`has appProtocol ${appProtocol}, which does not carry ${nameOf[carried]}; http, kubernetes.io/h2c and kubernetes.io/ws do`);
  if (carried === 'grpc' && appProtocol !== undefined && appProtocol.toLowerCase().endsWith('ws')) return refuse(`has appProtocol ${appProtocol}, which does not carry gRPC`);
  return undefined;
}

const nameOf: Readonly<Record<Carried, string>> = { http: 'HTTP', grpc: 'gRPC', tcp: 'TCP', udp: 'UDP' };

export function backendName(namespace: string, service: string, port: number): string {
  return `${namespace}/${service}:${port}`;
}

/** Under its plain name where the port speaks anyway what it is to carry, else under that of a variant. */
export function variantName(service: Service, port: ServicePort, carried: Carried): string {
  const plain = backendName(service.metadata.namespace, service.metadata.name, port.port);
  const protocol = plainProtocol(portOf(service, port.port) ?? port);
  switch (carried) {
    case 'http':
      return plain;
    case 'grpc':
      return protocol === 'http2' ? plain : `${plain}#http2`;
    default:
      return protocol === carried ? plain : `${plain}#${carried}`;
  }
}

/** The same over TLS, for whichever Gateway. */
export function secureVariantName(service: Service, port: ServicePort, carried: Carried): string {
  const base = backendName(service.metadata.namespace, service.metadata.name, port.port);
  return tlsVariantName({ base, gateway: '', carried: carried === 'grpc' || plainProtocol(port) === 'http2' ? 'http2' : 'http1' });
}

export interface NamedPort {
  readonly service: Service;
  readonly port: ServicePort;
  readonly protocol: Backend['protocol'];
}

/** The Service's port that a Backend's name means, and what is spoken to it; undefined where there is no such. */
export function portByName(services: ReadonlyMap<string, Service>, name: string): NamedPort | undefined {
  const tls = readTlsVariant(name);
  const [plain = '', variant] = tls === undefined ? name.split('#', 2) : [tls.base, tls.carried];
  const colon = plain.lastIndexOf(':');
  const service = services.get(plain.slice(0, colon));
  const port = service === undefined ? undefined : portOf(service, Number(plain.slice(colon + 1)), variant === 'udp' ? 'udp' : 'http');
  if (service === undefined || port === undefined) return undefined;
  const protocol = variant === undefined ? plainProtocol(port) : variants.get(variant);
  if (protocol === undefined || (protocol === 'udp') !== (port.protocol === 'UDP')) return undefined;
  return { service, port, protocol };
}

const variants: ReadonlyMap<string, Backend['protocol']> = new Map([['http1', 'http1'], ['http2', 'http2'], ['tcp', 'tcp'], ['udp', 'udp']] as const);
