import test from 'ava';
import { portProtocol, type PortProtocol } from './protocol.ts';

const port = (name: string, appProtocol?: string) => ({ name, port: 80, targetPort: 80, protocol: 'TCP', ...(appProtocol === undefined ? {} : { appProtocol }) }) as const;

const cases: readonly [name: string, appProtocol: string | undefined, routes: 'routes' | 'no routes', protocol: PortProtocol][] = [
  ['', undefined, 'no routes', 'detect'],
  ['web', undefined, 'no routes', 'detect'],
  ['http', undefined, 'no routes', 'http'],
  ['http-admin', undefined, 'no routes', 'http'],
  ['httpd', undefined, 'no routes', 'detect'],
  ['mysql', undefined, 'no routes', 'tcp'],
  ['tcp-echo', undefined, 'no routes', 'tcp'],
  ['tcp-echo', 'http', 'no routes', 'http'],
  ['tcp-echo', undefined, 'routes', 'http'],
  ['constructor', undefined, 'no routes', 'detect'],
];

for (const [name, appProtocol, routes, protocol] of cases) {
  test(`port named "${name}", appProtocol ${appProtocol}, ${routes}: ${protocol}`, (t) => t.is(portProtocol(port(name, appProtocol), routes), protocol));
}
