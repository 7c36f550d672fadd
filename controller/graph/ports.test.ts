import test from 'ava';
import type { Service, ServicePort } from '#crds';
import { stateFrom } from '../testing.ts';
import { plainProtocol, portByName, portOf, protocolRefusal, variantName, type Carried } from './ports.ts';

function serviceWith(ports: string): Service {
  return stateFrom(`apiVersion: v1\nkind: Service\nmetadata: { name: s, namespace: n }\nspec: { ports: [${ports}] }`).services.get('n/s')!;
}

const first = (ports: string): ServicePort => serviceWith(ports).spec.ports[0]!;

const plain: readonly (readonly [port: string, protocol: string | undefined])[] = [
  ['{ port: 80 }', 'http1'],
  ['{ port: 80, name: web }', 'http1'],
  ['{ port: 80, name: grpc }', 'http2'],
  ['{ port: 80, name: grpc-cart }', 'http2'],
  ['{ port: 80, name: grpc-web }', 'http1'],
  ['{ port: 80, name: grpcs }', 'http1'],
  ['{ port: 80, name: h2c }', 'http2'],
  ['{ port: 80, name: constructor }', 'http1'],
  ['{ port: 80, name: grpc, appProtocol: http }', 'http1'],
  ['{ port: 80, appProtocol: kubernetes.io/h2c }', 'http2'],
  ['{ port: 80, appProtocol: GRPC }', 'http2'],
  ['{ port: 80, appProtocol: kubernetes.io/ws }', 'http1'],
  ['{ port: 80, appProtocol: https }', 'tcp'],
  ['{ port: 80, appProtocol: mysql }', 'tcp'],
  ['{ port: 80, appProtocol: __proto__ }', 'tcp'],
  ['{ port: 80, protocol: UDP }', 'udp'],
  ['{ port: 80, protocol: UDP, appProtocol: http }', 'udp'],
  ['{ port: 80, protocol: SCTP }', undefined],
];

for (const [port, protocol] of plain) test(`${port} speaks ${protocol}`, (t) => t.is(plainProtocol(first(port)), protocol as never));

const names: readonly (readonly [port: string, carried: Carried, name: string])[] = [
  ['{ port: 80 }', 'http', 'n/s:80'],
  ['{ port: 80 }', 'grpc', 'n/s:80#http2'],
  ['{ port: 80, appProtocol: kubernetes.io/h2c }', 'http', 'n/s:80'],
  ['{ port: 80, appProtocol: kubernetes.io/h2c }', 'grpc', 'n/s:80'],
  ['{ port: 80 }', 'tcp', 'n/s:80#tcp'],
  ['{ port: 80, appProtocol: mysql }', 'tcp', 'n/s:80'],
  ['{ port: 80, protocol: UDP }', 'udp', 'n/s:80'],
  ['{ port: 80, name: t }, { port: 80, name: u, protocol: UDP }', 'udp', 'n/s:80#udp'],
];

for (const [ports, carried, name] of names) {
  test(`${carried} to ${ports} goes to ${name}, which speaks it`, (t) => {
    const service = serviceWith(ports);
    const port = portOf(service, 80, carried)!;
    t.is(variantName(service, port, carried), name);
    const found = portByName(new Map([['n/s', service]]), name);
    t.is(found?.port, port);
    t.true({ http: ['http1', 'http2'], grpc: ['http2'], tcp: ['tcp'], udp: ['udp'] }[carried].includes(found?.protocol ?? ''));
  });
}

test('names that mean nothing find nothing', (t) => {
  const services = new Map([['n/s', serviceWith('{ port: 80 }')]]);
  for (const name of ['n/s:81', 'n/x:80', 'n/s', '', 'n/s:80#odd', 'n/s:80#udp', 'n/s:80#', '__proto__:80']) t.is(portByName(services, name), undefined, name);
});

test('what a port does not carry is refused by name', (t) => {
  const refusal = (port: string, carried: Carried): string | undefined => protocolRefusal(serviceWith(port), first(port), carried)?.message;
  t.regex(refusal('{ port: 80, protocol: UDP }', 'http') ?? '', /is UDP; HTTP needs TCP/);
  t.regex(refusal('{ port: 80, protocol: UDP }', 'tcp') ?? '', /is UDP; TCP needs TCP/);
  t.regex(refusal('{ port: 80 }', 'udp') ?? '', /is TCP; a UDPRoute needs UDP/);
  t.regex(refusal('{ port: 80, appProtocol: mysql }', 'grpc') ?? '', /mysql, which does not carry gRPC/);
  t.regex(refusal('{ port: 80, appProtocol: kubernetes.io/ws }', 'grpc') ?? '', /does not carry gRPC/);
  t.is(refusal('{ port: 80, appProtocol: mysql }', 'tcp'), undefined);
  t.is(refusal('{ port: 80, appProtocol: http }', 'grpc'), undefined);
});
