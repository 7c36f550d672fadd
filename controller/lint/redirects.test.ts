import test from 'ava';
import { translateYaml } from '../testing.ts';

/** A Gateway with listeners for HTTP and HTTPS, and a redirect on those that `parent` names. */
function circular(redirect: string, { parent = '{ name: web }', match = '{ path: { value: /old } }', hostnames = '[]' }: { readonly parent?: string; readonly match?: string; readonly hostnames?: string } = {}): readonly string[] {
  const { problems } = translateYaml(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: weft
  listeners:
    - { name: plain, port: 80, protocol: HTTP }
    - { name: tls, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: web }] } }
---
apiVersion: v1
kind: Secret
metadata: { name: web, namespace: shop }
type: kubernetes.io/tls
stringData: { tls.crt: "", tls.key: "" }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: moved, namespace: shop }
spec:
  parentRefs: [${parent}]
  hostnames: ${hostnames}
  rules:
    - matches: [${match}]
      filters: [{ type: RequestRedirect, requestRedirect: ${redirect} }]
`);
  return problems.filter(({ reason }) => reason === 'CircularRedirect').map(({ path, message }) => `${path.join('.')}: ${message.split(' this leads')[0]}`);
}

const cases: readonly [sentence: string, listener: string | undefined, found: readonly string[]][] = [
  ['to HTTPS on all listeners leads back on the one for HTTPS', 'tls', circular('{ scheme: https }')],
  ['to HTTPS on the listener for HTTP does not', undefined, circular('{ scheme: https }', { parent: '{ name: web, sectionName: plain }' })],
  ['that changes nothing leads back', 'plain', circular('{ statusCode: 301 }', { parent: '{ name: web, sectionName: plain }' })],
  ['to another port of the scheme does not', undefined, circular('{ port: 8080 }')],
  ['to the port that the listener has leads back', 'plain', circular('{ port: 80 }')],
  ['to another hostname does not', undefined, circular('{ hostname: new.example.com }', { hostnames: '[old.example.com]' })],
  ['to the only hostname leads back', 'plain', circular('{ hostname: a.example.com }', { hostnames: '[a.example.com]' })],
  ['to one of two hostnames does not always', undefined, circular('{ hostname: a.example.com }', { hostnames: '[a.example.com, b.example.com]' })],
  ['to the same prefix leads back, its slash apart', 'plain', circular('{ path: { type: ReplacePrefixMatch, replacePrefixMatch: /old/ } }')],
  ['to another prefix does not', undefined, circular('{ path: { type: ReplacePrefixMatch, replacePrefixMatch: /new } }')],
  ['to a path below a prefix does not by itself', undefined, circular('{ path: { type: ReplaceFullPath, replaceFullPath: /old } }')],
  ['to the exact path that was asked for leads back', 'plain', circular('{ path: { type: ReplaceFullPath, replaceFullPath: /old } }', { match: '{ path: { type: Exact, value: /old } }' })],
];

for (const [sentence, listener, found] of cases) {
  test(`a redirect ${sentence}`, (t) => t.deepEqual(found, listener === undefined ? [] : [`spec.rules.0.filters.0.requestRedirect: on listener ${listener}`]));
}
