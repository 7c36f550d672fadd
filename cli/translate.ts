import type { Command } from 'commander';
import { references, type Certificate, type Resource } from '#snapshot';
import { isInjected, type ObjectStatus, type Snapshots } from '#controller';
import { stringify } from 'yaml';
import type { CliEnvironment } from './environment.ts';
import { load, type Loaded, type Source } from './load.ts';
import { failWith, outputOption, pathsOption, sourceOptions } from './options.ts';

/** `weft translate`: what comes of manifests: the status of every object, the snapshot of every proxy. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program.command('translate').description('Show the status that every object would get, and the snapshot that each proxy would get');
  sourceOptions(command, pathsOption())
    .addOption(outputOption())
    .action(async (options: Source & { readonly output?: 'json' }) => {
      try {
        const loaded = await load(options, environment);
        const proxies = snapshotsByProxy(loaded);
        const { problems } = loaded.translation;
        const statuses = loaded.translation.statuses.map(asObject);
        if (options.output === 'json') environment.out(`${JSON.stringify({ statuses, proxies, problems }, null, 2)}\n`);
        else environment.out([...statuses.map((status) => stringify(status)), ...Object.entries(proxies).map(([proxy, resources]) => `# snapshot of ${proxy}\n${stringify(resources, { aliasDuplicateObjects: false })}`)].join('---\n'));
      } catch (error) {
        failWith(error, environment);
      }
    });
}

/** As `kubectl get -o yaml` shows an object, with its status alone. */
function asObject({ apiVersion, kind, namespace, name, status }: ObjectStatus): object {
  return { apiVersion, kind, metadata: namespace === '' ? { name } : { namespace, name }, status };
}

/** By `gateway/{namespace}/{name}` and `sidecar/{namespace}/{pod}`: all that the proxy could ask for, private keys left out. */
function snapshotsByProxy({ state, translation }: Loaded): Readonly<Record<string, readonly Resource[]>> {
  const { snapshots } = translation;
  const gateways = [...snapshots.listeners].map(([name, listeners]) => [`gateway/${name}`, withReferences(snapshots, listeners)] as const);
  const sidecars = [...state.pods.values()].filter((pod) => isInjected(state, pod)).map((pod) => {
    const { namespace, name } = pod.metadata;
    return [`sidecar/${namespace}/${name}`, withReferences(snapshots, snapshots.destinations(namespace))] as const;
  });
  return Object.fromEntries([...gateways, ...sidecars]);
}

function withReferences(snapshots: Snapshots, roots: readonly Resource[]): readonly Resource[] {
  const found = new Map<string, Resource>();
  const add = (resource: Resource): void => {
    const key = `${resource.kind} ${resource.name}`;
    if (found.has(key)) return;
    found.set(key, resource.kind === 'Certificate' ? withoutKey(resource) : resource);
    for (const { type, name } of references(resource)) {
      const referred = lookUp(snapshots, type, name);
      if (referred !== undefined) add(referred);
    }
  };
  for (const root of roots) add(root);
  return [...found.values()];
}

function lookUp(snapshots: Snapshots, kind: Resource['kind'], name: string): Resource | undefined {
  switch (kind) {
    case 'RouteTable':
      return snapshots.routeTable(name);
    case 'StreamTable':
      return snapshots.streamTable(name);
    case 'Backend':
      return snapshots.backend(name);
    case 'Endpoints':
      return snapshots.endpoints(name);
    case 'Certificate':
      return snapshots.certificate(name);
    default:
      return undefined;
  }
}

function withoutKey(certificate: Certificate): Certificate {
  return { ...certificate, key: '(private key, not shown)' };
}
