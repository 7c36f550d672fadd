import test from 'ava';
import { translateYaml } from '../testing.ts';

test("a namespace's inject label that is neither of its words is a warning", (t) => {
  const problems = (value: string): readonly string[] =>
    translateYaml(`apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { weft-mesh.io/inject: "${value}" } }\n`).problems.map(({ severity, path, message }) => `${severity} ${path.join(' ')}: ${message}`);
  t.deepEqual(problems('true'), ['warning metadata labels weft-mesh.io/inject: true means nothing: Pods get no sidecar; write enabled or disabled']);
  t.deepEqual([...problems('enabled'), ...problems('disabled')], []);
});

test('a backend without endpoints is a warning, but not where the workloads are elsewhere', (t) => {
  const yaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec: { parentRefs: [{ name: web }], rules: [{ backendRefs: [{ name: cart, port: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 80 }] }
`;
  const reasons = (workloads: 'here' | 'elsewhere'): readonly string[] => translateYaml(yaml, { workloads }).problems.map(({ reason, message }) => `${reason}: ${message}`);
  t.deepEqual(reasons('here'), ['NoReadyEndpoints: Service shop/cart has no ready endpoint for port 80: its requests get a 503']);
  t.deepEqual(reasons('elsewhere'), []);
});

interface Loop {
  readonly kind?: string;
  readonly protocol?: string;
  readonly rule?: string;
  /** Address of the Service's endpoint. */
  readonly address?: string;
  readonly port?: number;
  /** Label of the Pod behind it. */
  readonly gateway?: string;
}

/** A Gateway at 127.0.0.1 with a route to a Service, and what is said of it. */
function loops({ kind = 'HTTPRoute', protocol = 'HTTP', rule = '', address = '127.0.0.1', port = 80, gateway = 'none' }: Loop): string | undefined {
  const transport = protocol === 'UDP' ? 'UDP' : 'TCP';
  const yaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: in, port: 80, protocol: ${protocol} }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: r, namespace: shop }
spec: { parentRefs: [{ name: web }], rules: [{ ${rule}backendRefs: [{ name: own, port: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: own, namespace: shop }
spec: { ports: [{ port: 8080, targetPort: ${port}, protocol: ${transport} }] }
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: shop, labels: { gateway.networking.k8s.io/gateway-name: ${gateway} } }
spec: { containers: [{ name: a, image: a }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: own-1, namespace: shop, labels: { kubernetes.io/service-name: own } }
addressType: IPv4
ports: [{ port: ${port}, protocol: ${transport} }]
endpoints: [{ addresses: [10.9.9.9] }, { addresses: ["${address}"], targetRef: { kind: Pod, name: p, namespace: shop } }]
`;
  const [first, ...others] = translateYaml(yaml, { workloads: 'here' }).problems.map(({ reason, path, message }) => `${reason} ${path.join('.')}: ${message}`);
  return first === undefined ? undefined : [first, ...others].join('; ');
}

test('a backend of which an endpoint is the Gateway itself, at the same port, is a warning', (t) => {
  const message = (what: string): string => `RoutingLoop spec.rules.0.backendRefs.0: Service shop/own leads back to the Gateway, to the port of its listener in: ${what}`;
  const http = message('its requests go round until they are refused with a 508');
  t.is(loops({}), http);
  t.is(loops({ address: '10.0.0.1', gateway: 'web' }), http, 'by the Pod that was made for it');
  t.is(loops({ kind: 'GRPCRoute' }), message('its calls go round until they get the status 9 (FAILED_PRECONDITION)'));
  t.is(loops({ kind: 'TCPRoute', protocol: 'TCP' }), message('its connections are reset'));
  t.is(loops({ kind: 'UDPRoute', protocol: 'UDP' }), message('its datagrams are dropped'));
});

test('it is none at another port or address, behind another Gateway, or where a filter may lead it elsewhere', (t) => {
  t.is(loops({ port: 81 }), undefined);
  t.is(loops({ address: '10.0.0.1' }), undefined);
  t.is(loops({ address: '10.0.0.1', gateway: 'other' }), undefined);
  t.is(loops({ rule: 'filters: [{ type: URLRewrite, urlRewrite: { hostname: other.example } }], ' }), undefined);
  t.is(loops({ rule: 'filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: a, value: b }] } }], ' }), undefined);
});
