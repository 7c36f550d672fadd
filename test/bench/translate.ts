/** How much CPU time a translation takes: all anew, and after one change. `node test/bench/translate.ts [services] [routes] [policies]` */
import { applyObject, readManifests, stateOf, type ClusterState, type HTTPRoute } from '#crds';
import { assignAddresses, knownKinds, translate } from '#controller';

const [services = 200, routes = 400, policies = 0] = process.argv.slice(2).map(Number);
const namespaces = 20;

function document(kind: string, apiVersion: string, name: string, namespace: string, rest: object): string {
  return JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, ...rest });
}

function world(): ClusterState {
  const gateway = 'gateway.networking.k8s.io/v1';
  const documents = [document('Gateway', gateway, 'edge', 'infra', { spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }] } })];
  for (let index = 0; index < services; index += 1) {
    const namespace = `ns-${index % namespaces}`;
    documents.push(document('Service', 'v1', `s${index}`, namespace, { spec: { selector: { app: `s${index}` }, ports: [{ name: 'http', port: 80 }] } }));
    documents.push(document('Pod', 'v1', `s${index}-1`, namespace, { spec: { containers: [{ name: 'c' }] }, status: { podIP: `10.0.${index >> 8}.${index & 255}` } }).replace('"namespace"', `"labels":{"app":"s${index}"},"namespace"`));
  }
  for (let index = 0; index < routes; index += 1) {
    const service = index % services;
    const namespace = `ns-${service % namespaces}`;
    const backendRefs = [{ name: `s${service}`, port: 80, weight: 9 }, { name: `s${service}`, port: 80, weight: 1 }];
    const parentRefs = index < routes / 2 ? [{ name: 'edge', namespace: 'infra' }] : [{ group: '', kind: 'Service', name: `s${service}` }];
    const rules = [1, 2].map((rule) => ({ name: `rule-${rule}`, matches: [{ path: { value: `/r${index}/${rule}` } }], backendRefs }));
    documents.push(document('HTTPRoute', gateway, `r${index}`, namespace, { spec: { parentRefs, rules } }));
  }
  for (let index = 0; index < policies; index += 1) {
    const service = index % services;
    const targetRef = { group: '', kind: 'Service', name: `s${service}` };
    documents.push(document('RetryPolicy', 'policy.weft-mesh.io/v1alpha1', `p${index}`, `ns-${service % namespaces}`, { spec: { targetRef, default: { maxRetries: index % 5 } } }));
  }
  const { objects, problems } = readManifests([{ file: 'bench.yaml', text: documents.join('\n---\n') }], knownKinds);
  if (problems.length > 0) throw new Error(JSON.stringify(problems[0]));
  return stateOf(objects);
}

function measure(name: string, run: () => unknown): void {
  const times: number[] = [];
  for (let round = 0; round < 15; round += 1) {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / 1000);
  }
  const sorted = times.toSorted((a, b) => a - b);
  console.log(`${name}: first ${times[0]?.toFixed(1)} ms, median ${sorted[7]?.toFixed(1)} ms, worst ${sorted.at(-1)?.toFixed(1)} ms`);
}

let state = world();
const environment = { gatewayAddresses: assignAddresses(state, { first: '127.0.0.1' }, new Map()), portOffset: 0 };
const everything = (): void => {
  const { snapshots } = translate(state, environment);
  for (const listeners of snapshots.listeners.values()) for (const listener of listeners) for (const section of listener.sections) snapshots.routeTable(section.routes);
};
console.log(`${services} Services, ${routes} HTTPRoutes, ${policies} policies, ${namespaces} namespaces`);
measure('nothing changed', everything);
measure('one route changed', () => {
  const [route] = state.httpRoutes.values();
  if (route !== undefined) state = applyObject(state, { ...route, metadata: { ...route.metadata, generation: (route.metadata.generation ?? 0) + 1 } } satisfies HTTPRoute);
  everything();
});
measure('one Pod changed', () => {
  const [pod] = state.pods.values();
  if (pod !== undefined) state = applyObject(state, { ...pod });
  everything();
});
measure('all routes new', () => {
  state = { ...state, httpRoutes: new Map([...state.httpRoutes].map(([key, route]) => [key, { ...route }])) };
  everything();
});
