import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { weft } from '../testing/run.ts';

const manifests = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, protocol: HTTP, port: 8080 }] }
---
apiVersion: policy.weft-mesh.io/v1alpha1
kind: TimeoutPolicy
metadata: { name: cap, namespace: shop }
spec: { targetRef: { group: gateway.networking.k8s.io, kind: Gateway, name: edge }, override: { request: 3s } }
---
apiVersion: policy.weft-mesh.io/v1alpha1
kind: RetryPolicy
metadata: { name: old, namespace: shop }
spec: { targetRef: { group: "", kind: Service, name: old }, default: { maxRetries: 2, perTryTimeout: 1s } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: shop }
spec:
  parentRefs: [{ name: edge }]
  rules:
    - matches: [{ path: { value: /a } }]
      timeouts: { request: 10s }
      filters: [{ type: URLRewrite, urlRewrite: { hostname: b.example.com, path: { type: ReplacePrefixMatch, replacePrefixMatch: /b } } }]
      backendRefs: [{ name: cart, port: 80 }]
    - matches: [{ path: { value: /split } }]
      backendRefs: [{ name: cart, port: 80, weight: 3 }, { name: old, port: 80 }, { name: gone, port: 80 }]
    - matches: [{ path: { value: /cors } }]
      filters: [{ type: CORS, cors: { allowOrigins: ["https://a.example.com"] } }]
      backendRefs: [{ name: cart, port: 80 }]
    - matches: [{ path: { value: /loud } }]
      filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplaceFullPath, replaceFullPath: "/\\e[2Jgone\\u009b1m" } } }]
      backendRefs: [{ name: cart, port: 80 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: elsewhere, namespace: shop }
spec:
  parentRefs: [{ name: edge }]
  hostnames: [other.example.com]
  rules: [{ matches: [{ path: { value: /x } }, { path: { value: /y } }] }, {}]
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: old, namespace: shop }
spec: { ports: [{ port: 80 }] }
`;

const file = join(mkdtempSync(join(tmpdir(), 'weft-explain-')), 'all.yaml');
writeFileSync(file, manifests);

const ask = async (...words: string[]): Promise<string> => (await weft('explain', '-f', file, ...words)).out;
const atEdge = async (path: string, ...words: string[]): Promise<string> => ask('--gateway', 'shop/edge', ...words, `http://a.example.com:8080${path}`);

test('what was written and overruled stands beside what is in force, and what is built in beside what was written', async (t) => {
  const text = await atEdge('/a/1?q=2');
  t.regex(text, /timeouts\.request +3s +override of TimeoutPolicy shop\/cap at Gateway/);
  t.regex(text, /overruled\n +timeouts\.request +10s +written in HTTPRoute shop\/web +by TimeoutPolicy\/shop\/cap \(override at Gateway\)/);
  t.regex(text, /built in: timeouts\.connect 5s; timeouts\.streamIdle 300s/);
  const { lost, builtIn } = JSON.parse(await atEdge('/a', '-o', 'json')) as { lost: object[]; builtIn: object };
  t.like(lost[0], { kind: 'HTTPRoute', namespace: 'shop', name: 'web', field: 'timeouts.request', value: '10s', to: 'TimeoutPolicy/shop/cap (override at Gateway)' });
  t.deepEqual(builtIn, { 'timeouts.connect': '5s', 'timeouts.streamIdle': '300s' });
});

test('what filters make of path and host is said', async (t) => {
  t.regex(await atEdge('/a/1?q=2'), /sent on +path \/b\/1\?q=2, host b\.example\.com/);
});

test('what others wrote does not act on the terminal', async (t) => {
  t.regex(await atEdge('/loud'), /\/\\u001b\[2Jgone\\u009b1m/);
  t.regex(await atEdge('/loud', '-o', 'json'), /"\/\\u001b\[2Jgone/);
});

test('backends with policies of their own show them, and what the data plane takes for the rest; an invalid one says what clients get', async (t) => {
  const text = await atEdge('/split');
  t.regex(text, /shop\/old:80 +20 % [^]*retry\.maxRetries +2 +default of RetryPolicy shop\/old at Service[^]*built in: retry\.retryOn\.conditions connect-failure, refused-stream, gateway-error, timeout;/);
  t.regex(text, /shop\/gone:80 +20 % +invalid, answers 500: BackendNotFound/);
  t.notRegex(text, /\n {2}policy\n/, 'there is no one policy');
});

test('routes that lost for one reason are one line', async (t) => {
  t.regex(await atEdge('/a'), /HTTPRoute shop\/elsewhere rules 0 to 1 +host a\.example\.com does not match other\.example\.com/);
});

test('a CORS preflight that is refused says why', async (t) => {
  t.regex(await atEdge('/cors', '-X', 'OPTIONS', '-H', 'origin: https://b.example.com', '-H', 'access-control-request-method: GET'), /respond 403: a CORS preflight from an origin that the CORS filter does not allow/);
});

test('a host that is almost a Service, and a namespace that nothing is in, are told', async (t) => {
  t.regex(await ask('--from-namespace', 'shop', 'http://cart:81/'), /passthrough\nnote: Service shop\/cart has no port 81; it has 80\n/);
  t.regex(await ask('--from-namespace', 'shop', 'http://carts.shop.svc.cluster.local/'), /note: namespace shop has no Service carts; it has cart, old\n/);
  t.regex(await ask('--from-namespace', 'shop', 'tcp://cart:81'), /note: Service shop\/cart has no port 81; it has 80\n/);
  t.regex(await ask('--from-namespace', 'shopp', 'http://cart.shop/'), /note: no object is in a namespace shopp; there is shop\n/);
  t.notRegex(await ask('--from-namespace', 'shop', 'http://example.com/'), /no Service example/);
});

const six = `
apiVersion: v1
kind: Service
metadata: { name: six, namespace: six }
spec: { clusterIP: "fd00:96::7", ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack, selector: { app: six }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: six-1, namespace: six, labels: { app: six } }
spec: { containers: [{ name: c }] }
status: { podIP: 10.0.0.1, podIPs: [{ ip: 10.0.0.1 }, { ip: "FD00:10:0::1" }] }
`;

test('addresses of IPv6 are asked for in brackets, however they are written, and told so', async (t) => {
  const both = join(mkdtempSync(join(tmpdir(), 'weft-explain-')), 'six.yaml');
  writeFileSync(both, `${manifests}---${six}`);
  const ask = async (...words: string[]): Promise<string> => (await weft('explain', '-f', both, ...words)).out;
  t.regex(await ask('--gateway', 'shop/edge', 'http://[::1]:8080/a'), /HTTPRoute shop\/web, rule 0/);
  const inMesh = await ask('--from-namespace', 'shop', 'http://[FD00:96:0::7]/');
  t.regex(inMesh, /six\/six:80 +100 % +\[fd00:10::1\]:8080/);
  t.notRegex(inMesh, /10\.0\.0\.1/, 'one Pod, one endpoint');
  const unknown = await ask('--from-namespace', 'shop', 'http://[fd00:96::8]/');
  t.regex(unknown, /passthrough/);
  t.notRegex(unknown, /has no Service/);
});

test('a folder without manifests is no answer', async (t) => {
  const { err, status } = await weft('analyze', '-f', mkdtempSync(join(tmpdir(), 'weft-empty-')));
  t.regex(err, /weft-empty-.*: no \.yaml, \.yml or \.json file is here/);
  t.is(status, 2);
});
