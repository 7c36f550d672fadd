import { readManifests, stateOf, type ClusterState, type KubernetesObject } from '#crds';
import { knownKinds } from '#controller';

const gateway = 'gateway.networking.k8s.io/v1';
const policy = 'policy.weft-mesh.io/v1alpha1';

interface Written {
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly spec: object;
  readonly more?: object;
  readonly labels?: object;
}

function stateWith(objects: readonly Written[]): ClusterState {
  const read: KubernetesObject[] = [];
  for (const { kind, apiVersion, name, spec, labels, more } of objects) {
    const text = JSON.stringify({ apiVersion, kind, metadata: { name, namespace: 'shop', ...(labels === undefined ? {} : { labels }) }, spec, ...more });
    const { objects: [object], problems } = readManifests([{ file: 'bench.json', text }], knownKinds);
    if (object === undefined) throw new Error(`${text}: ${JSON.stringify(problems[0])}`);
    read.push(object);
  }
  return stateOf(read);
}

function service(name: string): readonly Written[] {
  return [
    { kind: 'Service', apiVersion: 'v1', name, spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] } },
    { kind: 'Pod', apiVersion: 'v1', name: `${name}-1`, labels: { app: name }, spec: { containers: [{ name: 'c' }] }, more: { status: { podIP: '127.0.1.1', phase: 'Running' } } },
  ];
}

const edge: Written = { kind: 'Gateway', apiVersion: gateway, name: 'edge', spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 8080, protocol: 'HTTP' }], allowedListeners: { namespaces: { from: 'Same' } } } };

function route(index: number, to: string, parent: object = { name: 'edge' }): Written {
  const rules = [{ matches: [{ path: { type: 'PathPrefix', value: `/p${index % 100}` } }], backendRefs: [{ name: to, port: 80 }] }];
  return { kind: 'HTTPRoute', apiVersion: gateway, name: `r${index}`, spec: { parentRefs: [parent], ...('group' in parent ? {} : { hostnames: [`h${Math.floor(index / 100)}.example`] }), rules } };
}

function times(count: number, make: (index: number) => readonly Written[]): readonly Written[] {
  return Array.from({ length: count }, (_, index) => make(index)).flat();
}

/** Large configurations of several kinds, by name, for `turns.ts`; it takes those with HTTPRoutes at the Gateway `edge`. */
export const worlds: Readonly<Record<string, (count: number) => ClusterState>> = {
  /** Many routes at one Gateway, to one Service. */
  routes: (count) => stateWith([edge, ...service('web'), ...times(count, (index) => [route(index, 'web')])]),
  /** Each to a Service of its own. */
  services: (count) => stateWith([edge, ...times(count, (index) => [...service(`s${index}`), route(index, `s${index}`)])]),
  /** Each with a policy of its own, and one for all. */
  policies: (count) =>
    stateWith([edge, ...service('web'), { kind: 'TimeoutPolicy', apiVersion: policy, name: 'all', spec: { targetRef: { group: '', kind: 'Namespace', name: 'shop' }, default: { request: '5s' } } },
      ...times(count, (index) => [route(index, 'web'), { kind: 'RetryPolicy', apiVersion: policy, name: `p${index}`, spec: { targetRef: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: `r${index}` }, default: { maxRetries: index % 5 } } }])]),
  /** Each for one Service, within the mesh. */
  mesh: (count) => stateWith([...times(count, (index) => [...service(`s${index}`), route(index, `s${index}`, { group: '', kind: 'Service', name: `s${index}` })])]),
  ingresses: (count) =>
    stateWith([...service('web'), ...times(count, (index) => [{ kind: 'Ingress', apiVersion: 'networking.k8s.io/v1', name: `i${index}`, spec: { ingressClassName: 'weft', rules: [{ host: `h${index}.example`, http: { paths: [{ path: `/p${index % 100}`, pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }] } }] } }])]),
  /** A ListenerSet with two listeners for every ten routes. */
  listeners: (count) =>
    stateWith([edge, ...service('web'), ...times(Math.ceil(count / 10), (index) => [{ kind: 'ListenerSet', apiVersion: gateway, name: `l${index}`, spec: { parentRef: { name: 'edge' }, listeners: ['a', 'b'].map((name) => ({ name, port: 8080, protocol: 'HTTP', hostname: `${name}${index}.example` })) } }]),
      ...times(count, (index) => [route(index, 'web', { kind: 'ListenerSet', group: 'gateway.networking.k8s.io', name: `l${Math.floor(index / 10)}` })])]),
  /** Each refers to a Service that is not there. */
  mistakes: (count) => stateWith([edge, ...times(count, (index) => [route(index, 'absent')])]),
};
