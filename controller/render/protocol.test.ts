import test from 'ava';
import { portProtocol, type PortProtocol } from './protocol.ts';

const port = (name: string, appProtocol?: string) => ({ name, port: 80, targetPort: 80, protocol: 'TCP', ...(appProtocol === undefined ? {} : { appProtocol }) }) as const;

const cases: readonly [name: string, appProtocol: string | undefined, routes: 'HTTPRoute' | undefined, protocol: PortProtocol][] = [
  ['', undefined, undefined, 'detect'],
  ['web', undefined, undefined, 'detect'],
  ['http', undefined, undefined, 'http'],
  ['http-admin', undefined, undefined, 'http'],
  ['httpd', undefined, undefined, 'detect'],
  ['mysql', undefined, undefined, 'tcp'],
  ['tcp-echo', undefined, undefined, 'tcp'],
  ['tcp-echo', 'http', undefined, 'http'],
  ['tcp-echo', undefined, 'HTTPRoute', 'http'],
  ['constructor', undefined, undefined, 'detect'],
];

for (const [name, appProtocol, routes, protocol] of cases) {
  test(`port named "${name}", appProtocol ${appProtocol}, ${routes}: ${protocol}`, (t) => t.is(portProtocol(port(name, appProtocol), routes), protocol));
}
