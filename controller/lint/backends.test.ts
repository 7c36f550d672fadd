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
