import type { ClusterState, IgnoredObject, ManifestProblem } from '#crds';
import { assignAddresses, fieldsOf, provisionedAddresses, readFiles, translate, withBuiltIns, type Problem, type Translation } from '#controller';
import { connect, type ClusterOptions, type Connection } from './cluster/connect.ts';
import { readState } from './cluster/read.ts';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './explain/place.ts';
import { printable } from './table.ts';

/** Where the objects are: in files, or in a cluster where none are given. */
export interface Source extends ClusterOptions {
  readonly file?: readonly string[];
}

/** Manifests, read and translated as `weft up` would, or a cluster, as its controller does. */
export interface Loaded {
  readonly state: ClusterState;
  readonly translation: Translation;
  /** How many were read. */
  readonly objects: number;
  /** What could not be read in files. */
  readonly problems: readonly ManifestProblem[];
  /** Objects of a cluster that could not be read. */
  readonly unreadable: readonly Problem[];
  /** Objects of kinds that Weft does not read. */
  readonly ignored: readonly IgnoredObject[];
  /** What else to know of how it was read. */
  readonly notes: readonly string[];
}

/** Reads. Throws UsageError where a path or the cluster can't be read; an object that can't be is told and left out. */
export async function load(from: Source, environment: CliEnvironment): Promise<Loaded> {
  const loaded = await loadQuietly(from, environment);
  for (const { source, message } of loaded.problems) environment.err(printable(`${source.file}:${source.line}:${source.column}: ${message}\n`));
  for (const { object, message } of loaded.unreadable) environment.err(printable(`${object.kind} ${object.namespace}/${object.name}: ${message}\n`));
  for (const note of loaded.notes) environment.err(printable(`note: ${note}\n`));
  return loaded;
}

/** The same without telling what could not be read; it is in the result. */
export async function loadQuietly(from: Source, environment: CliEnvironment): Promise<Loaded> {
  return from.file === undefined || from.file.length === 0 ? loadCluster(from, environment) : loadFiles(from.file);
}

async function loadFiles(paths: readonly string[]): Promise<Loaded> {
  const { state: read, problems, ignored, faults } = await readFiles(paths);
  if (faults.length > 0) throw new UsageError(faults.map(({ file, message }) => `${file}: ${message}`).join('\n      '));
  const state = withBuiltIns(read);
  const gatewayAddresses = assignAddresses(state, { first: '127.0.0.1' }, new Map());
  return { state, translation: translate(state, { gatewayAddresses, portOffset: 0, workloads: 'elsewhere' }), objects: sizeOf(read), problems, unreadable: [], ignored, notes: [] };
}

function sizeOf(state: ClusterState): number {
  return Object.values(state).reduce((sum: number, map: ReadonlyMap<string, object>) => sum + map.size, 0);
}

async function loadCluster(from: ClusterOptions, environment: CliEnvironment): Promise<Loaded> {
  const connection = await connect(from, environment);
  const [{ state, problems, absent, unread }, away] = await Promise.all([readState(connection), controllerAway(connection)]);
  const missing = absent.filter((kind) => essential.has(kind));
  const notes = [
    ...away,
    ...(missing.length === 0 ? [] : [`the cluster has no ${missing.join(', ')}; 'weft check --pre' says what to install`]),
    ...unread.map(({ what, reason }) => `${what} could not be read and counts as missing: ${reason}`),
  ];
  return { state, translation: translate(state, { gatewayAddresses: provisionedAddresses(state), portOffset: 0, bind: 'any' }), objects: sizeOf(state), problems: [], unreadable: problems, ignored: [], notes };
}

/** What is worked out here is what the controller works out; while none is up, no proxy hears of it. Who may not look is told nothing. */
async function controllerAway({ api }: Connection): Promise<readonly string[]> {
  try {
    const answer = await api.send({ path: '/apis/apps/v1/deployments', query: { fieldSelector: 'metadata.name=weft-controller' }, timeoutMs: 5000 });
    if (answer.status !== 200) return [];
    const { items } = fieldsOf(answer.body);
    const deployments = Array.isArray(items) ? items.map(fieldsOf) : [];
    if (deployments.length === 0) return ["Weft is not installed in this cluster: this is what would be; 'weft check --pre' says whether it can be installed"];
    if (deployments.some(({ status }) => Number(fieldsOf(status)['availableReplicas'] ?? 0) > 0)) return [];
    return ["no replica of Weft's controller is ready: proxies go on with what they last heard, new Pods wait; 'weft check --ready --wait 5m' waits for it and says what it lacks"];
  } catch {
    return [];
  }
}

/** Without these kinds a mesh has nothing to go by. */
const essential = new Set(['GatewayClass', 'Gateway', 'HTTPRoute', 'ReferenceGrant', 'RetryPolicy', 'TimeoutPolicy']);
