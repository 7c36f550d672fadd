import test from 'ava';
import type { Gateway } from '#crds';
import type { Listener } from '#snapshot';
import { stateFrom, translateYaml } from '../testing.ts';
import { provisionedAddresses } from './addresses.ts';
import { labelValue, objectName } from './names.ts';
import { provision, type ProvisionConfig } from './template.ts';

const config: ProvisionConfig = { image: 'registry/weft-proxy:1', pullPolicy: 'IfNotPresent', controller: 'weft-controller.weft-system.svc:15010', logLevel: 'info', socketIO: 'public', resources: {}, replicas: 1, workers: 1, isExternal: (address: string) => address.startsWith('198.51.100.') };

function gateway(spec: Partial<Gateway['spec']> = {}, name = 'edge'): Gateway {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace: 'shop', uid: 'u-1' },
    spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }], ...spec } as Gateway['spec'],
    status: { conditions: [] },
  };
}

interface Made {
  readonly metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string>; ownerReferences: object[] };
  readonly spec: Record<string, unknown> & { ports: object[]; template: { metadata: Made['metadata']; spec: { containers: { env: { name: string; value?: string }[]; ports: object[] }[]; volumes: { name: string }[] } } };
}

function made(of: Gateway, kind: string): Made {
  return provision(of, config).find((manifest) => manifest.kind === kind) as unknown as Made;
}

test('a Service has one port for each distinct port and transport of the listeners', (t) => {
  const listeners = [
    { name: 'a', port: 443, protocol: 'HTTPS', hostname: 'a.example' },
    { name: 'b', port: 443, protocol: 'HTTPS', hostname: 'b.example' },
    { name: 'c', port: 80, protocol: 'HTTP' },
    { name: 'd', port: 53, protocol: 'UDP' },
    { name: 'e', port: 53, protocol: 'TCP' },
    { name: 'f', port: 9000, protocol: 'example.com/odd' },
  ];
  t.deepEqual(made(gateway({ listeners } as unknown as Partial<Gateway['spec']>), 'Service').spec.ports, [
    { name: 'tcp-53', port: 53, targetPort: 53, protocol: 'TCP' },
    { name: 'udp-53', port: 53, targetPort: 53, protocol: 'UDP' },
    { name: 'http-80', port: 80, targetPort: 80, protocol: 'TCP' },
    { name: 'https-443', port: 443, targetPort: 443, protocol: 'TCP' },
    { name: 'tcp-9000', port: 9000, targetPort: 9000, protocol: 'TCP' },
  ]);
});

test('ports that only ListenerSets have are ports of the Service too', (t) => {
  const served = [80, 8443].map((port): Listener => ({ kind: 'Listener', name: `shop/edge/${port}`, gateway: { kind: 'Gateway', namespace: 'shop', name: 'edge' }, address: '0.0.0.0', port, sections: [{ name: 's', hostname: '', protocol: port === 80 ? 'HTTP' : 'HTTPS', routes: 'r' }] }));
  const service = provision(gateway(), config, served).find(({ kind }) => kind === 'Service') as unknown as Made;
  t.deepEqual(service.spec.ports.map((port) => (port as { name: string }).name), ['http-80', 'https-8443']);
});

test('labels and annotations of spec.infrastructure are on everything, Pods included; ours can not be overwritten', (t) => {
  const infrastructure = { labels: { team: 'a', 'gateway.networking.k8s.io/gateway-name': 'other', 'weft-mesh.io/inject': 'enabled' }, annotations: { note: 'n' } };
  const of = gateway({ infrastructure });
  for (const kind of ['ServiceAccount', 'Deployment', 'Service', 'PodDisruptionBudget']) {
    const { metadata } = made(of, kind);
    t.is(metadata.labels['team'], 'a');
    t.is(metadata.labels['gateway.networking.k8s.io/gateway-name'], 'edge');
    t.is(metadata.annotations['note'], 'n');
    t.deepEqual(metadata.ownerReferences, [{ apiVersion: of.apiVersion, kind: 'Gateway', name: 'edge', uid: 'u-1', controller: true, blockOwnerDeletion: false }]);
  }
  const { metadata } = made(of, 'Deployment').spec.template;
  t.is(metadata.labels['team'], 'a');
  t.is(metadata.labels['weft-mesh.io/inject'], 'disabled');
});

test('a listener that is added restarts no Pod; replicas are nobody\'s but the user\'s', (t) => {
  const more = gateway({ listeners: [...gateway().spec.listeners, { name: 'x', port: 8080, protocol: 'HTTP' } as Gateway['spec']['listeners'][number]] });
  t.deepEqual(made(more, 'Deployment').spec, made(gateway(), 'Deployment').spec);
  t.false('replicas' in made(gateway(), 'Deployment').spec);
});

test('workers are told to the proxy where there are several; one leaves Pods as they were', (t) => {
  const podOf = (workers: number) => (provision(gateway(), { ...config, workers }).find(({ kind }) => kind === 'Deployment') as unknown as ReturnType<typeof made>).spec.template.spec;
  const variable = (workers: number): string | undefined => podOf(workers).containers[0]?.env.find(({ name }) => name === 'WEFT_WORKERS')?.value;
  t.is(variable(1), undefined);
  t.is(variable(4), '4');
  // Each keeps a snapshot of its own.
  const room = (workers: number): unknown => podOf(workers).volumes.find(({ name }) => name === 'weft-state');
  t.deepEqual([room(1), room(4)], [{ name: 'weft-state', emptyDir: { sizeLimit: '64Mi' } }, { name: 'weft-state', emptyDir: { sizeLimit: '256Mi' } }]);
});

test('raw socket I/O is told to the proxy; the usual one leaves Pods as they were', (t) => {
  const variable = (socketIO: ProvisionConfig['socketIO']): string | undefined => {
    const deployment = provision(gateway(), { ...config, socketIO }).find(({ kind }) => kind === 'Deployment') as unknown as ReturnType<typeof made>;
    return deployment.spec.template.spec.containers[0]?.env.find(({ name }) => name === 'WEFT_SOCKET_IO')?.value;
  };
  t.is(variable('public'), undefined);
  t.is(variable('raw'), 'raw');
});

test('secrets for pulling the image are named in the Pods; without any, Pods are as they were', (t) => {
  const named = (more: Partial<ProvisionConfig>): unknown => {
    const deployment = provision(gateway(), { ...config, ...more }).find(({ kind }) => kind === 'Deployment') as unknown as { spec: { template: { spec: object } } };
    return (deployment.spec.template.spec as { imagePullSecrets?: unknown }).imagePullSecrets;
  };
  t.is(named({}), undefined);
  t.deepEqual(named({ pullSecrets: ['a', 'b'] }), [{ name: 'a' }, { name: 'b' }]);
});

test('a listener on the admin port moves the admin port', (t) => {
  const of = gateway({ listeners: [15_020, 15_021].map((port) => ({ name: `p${port}`, port, protocol: 'HTTP' })) as unknown as Gateway['spec']['listeners'] });
  const [container] = made(of, 'Deployment').spec.template.spec.containers;
  t.is(container?.env.find(({ name }) => name === 'WEFT_ADMIN_PORT')?.value, '15022');
});

test('the first address that the Gateway asks for is what the Service asks for', (t) => {
  t.is(made(gateway({ addresses: [{ type: 'IPAddress' }, { type: 'IPAddress', value: '192.0.2.7' }] }), 'Service').spec['loadBalancerIP'], '192.0.2.7');
  t.false('loadBalancerIP' in made(gateway(), 'Service').spec);
  t.false('externalIPs' in made(gateway({ addresses: [{ type: 'IPAddress', value: '192.0.2.7' }] }), 'Service').spec);
});

test('an address that was set aside is taken by the Service itself, without a load balancer; others are wishes to that', (t) => {
  const spec = (...values: readonly string[]): Made['spec'] => made(gateway({ addresses: values.map((value) => ({ type: 'IPAddress', value })) }), 'Service').spec;
  t.like(spec('198.51.100.1', '198.51.100.2'), { type: 'ClusterIP', ipFamilyPolicy: 'PreferDualStack', externalIPs: ['198.51.100.1', '198.51.100.2'] });
  t.like(spec('192.0.2.7'), { type: 'LoadBalancer', loadBalancerIP: '192.0.2.7' });
  t.like(spec('192.0.2.7', '198.51.100.1'), { type: 'LoadBalancer', loadBalancerIP: '192.0.2.7', externalIPs: ['198.51.100.1'] });
});

test('the families of the Service are the cluster\'s business, unless whoever installed Weft says so', (t) => {
  const policy = (more: object): unknown => (provision(gateway(), { ...config, ...more }).find(({ kind }) => kind === 'Service') as unknown as { spec: { ipFamilyPolicy?: string } }).spec.ipFamilyPolicy;
  t.is(policy({}), undefined);
  t.is(policy({ ipFamilyPolicy: 'RequireDualStack' }), 'RequireDualStack');
});

test('what would change how a Pod is confined, or whose it is, has no effect, and its owner is told', (t) => {
  const annotations = { 'container.apparmor.security.beta.kubernetes.io/gateway': 'unconfined', 'weft-mesh.io/gateway': 'other', note: 'n' };
  t.deepEqual(made(gateway({ infrastructure: { annotations } }), 'Deployment').spec.template.metadata.annotations, { note: 'n', 'weft-mesh.io/gateway': 'edge' });
  const { problems } = translateYaml(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: weft
  infrastructure: { labels: { weft-mesh.io/injected: "true", team: a } }
  listeners: [{ name: http, port: 80, protocol: HTTP }]
`);
  t.deepEqual(problems.map(({ severity, path }) => [severity, path.join('.')]), [['warning', 'spec.infrastructure.labels.weft-mesh.io/injected']]);
});

test('names are DNS labels that begin with a letter, and different for different Gateways', (t) => {
  t.is(objectName('edge', 'weft'), 'edge-weft');
  const odd = ['1st', 'a.b', 'a-b', `${'x'.repeat(250)}a`, `${'x'.repeat(250)}b`, `1.${'y'.repeat(100)}`, `${'z'.repeat(53)}.${'z'.repeat(20)}`];
  const names = odd.map((name) => objectName(name, 'weft'));
  t.is(new Set(names).size, odd.length);
  for (const name of names) t.regex(name, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])$/);
  for (const name of odd) t.regex(labelValue(name), /^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$/);
});

test('the addresses are those that the Service was given, whoever else has a Service of that name', (t) => {
  const yaml = (labels: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: v1
kind: Service
metadata: { name: edge-weft, namespace: shop, labels: { ${labels} } }
spec: { type: LoadBalancer, ports: [{ port: 80 }], externalIPs: [192.0.2.9] }
status: { loadBalancer: { ingress: [{ ip: 192.0.2.1 }, { ip: "2001:DB8:0::7" }, { hostname: lb.example }] } }
`;
  t.deepEqual([...provisionedAddresses(stateFrom(yaml('app.kubernetes.io/managed-by: weft-mesh.io')))], [['shop/edge', ['192.0.2.9', '192.0.2.1', '2001:db8::7', 'lb.example']]]);
  t.deepEqual([...provisionedAddresses(stateFrom(yaml('a: b')))], []);
});

test('traces of a gateway go where those of the installation go', (t) => {
  const text = (more: Partial<ProvisionConfig>): string => JSON.stringify(provision(gateway(), { ...config, ...more }));
  t.false(text({}).includes('OTEL_'));
  t.true(text({ tracing: { endpoint: 'http://collector:4318', sample: 0.5 } }).includes('{"name":"OTEL_EXPORTER_OTLP_ENDPOINT","value":"http://collector:4318"},{"name":"WEFT_TRACE_SAMPLE","value":"0.5"}'));
});
