import test from 'ava';
import { stateFrom } from '../../testing.ts';
import { referencesOf } from './references.ts';

const listener = (secret: string): string => `{ name: https, port: 443, protocol: HTTPS, hostname: ${secret}.example.com, tls: { certificateRefs: [{ name: ${secret} }] } }`;

const gateway = (name: string, spec = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: infra }
spec: { ${spec}gatewayClassName: weft, listeners: [${listener(name)}] }
---`;

const set = (name: string, parent: string, namespace = 'infra'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: ${name}, namespace: ${namespace} }
spec: { parentRef: { name: ${parent}, namespace: infra }, listeners: [${listener(name)}] }
---`;

const found = (yaml: string): readonly string[] => [...referencesOf(stateFrom(yaml)).keys()];

test('Secrets of a Gateway\'s listeners are read, and of the ListenerSets that it lets in', (t) => {
  const yaml = set('guest', 'open', 'shop') + set('refused', 'closed') + set('lost', 'none') + gateway('open', 'allowedListeners: { namespaces: { from: All } }, ') + gateway('closed');
  t.deepEqual(found(yaml), ['Secret/infra/open', 'Secret/infra/closed', 'Secret/shop/guest']);
});

test('a Gateway of another class is no concern of ours, nor are its ListenerSets', (t) => {
  t.deepEqual(found(gateway('open', 'allowedListeners: { namespaces: { from: All } }, ').replace('gatewayClassName: weft', 'gatewayClassName: other') + set('guest', 'open')), []);
});
