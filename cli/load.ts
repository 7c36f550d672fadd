import type { ClusterState, IgnoredObject, ManifestProblem } from '#crds';
import { assignAddresses, provisionedAddresses, readFiles, translate, withBuiltIns, type Problem, type Translation } from '#controller';
import { connect, type ClusterOptions } from './cluster/connect.ts';
import { readState } from './cluster/read.ts';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './explain/place.ts';

/** Where the objects are: in files, or in a cluster where none are given. */
export interface Source extends ClusterOptions {
  readonly file?: readonly string[];
}

/** Manifests, read and translated as `weft up` would, or a cluster, as its controller does. */
export interface Loaded {
  readonly state: ClusterState;
  readonly translation: Translation;
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
  for (const { source, message } of loaded.problems) environment.err(`${source.file}:${source.line}:${source.column}: ${message}\n`);
  for (const { object, message } of loaded.unreadable) environment.err(`${object.kind} ${object.namespace}/${object.name}: ${message}\n`);
  for (const note of loaded.notes) environment.err(`note: ${note}\n`);
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
  return { state, translation: translate(state, { gatewayAddresses, portOffset: 0 }), problems, unreadable: [], ignored, notes: [] };
}

async function loadCluster(from: ClusterOptions, environment: CliEnvironment): Promise<Loaded> {
  const { state, problems, absent, unread } = await readState(await connect(from, environment));
  const missing = absent.filter((kind) => essential.has(kind));
  const notes = [
    ...(missing.length === 0 ? [] : [`the cluster has no ${missing.join(', ')}; 'weft check --pre' says what to install`]),
    ...unread.map(({ what, reason }) => `${what} could not be read and counts as missing: ${reason}`),
  ];
  return { state, translation: translate(state, { gatewayAddresses: provisionedAddresses(state), portOffset: 0, bind: 'any' }), problems: [], unreadable: problems, ignored: [], notes };
}

/** Without these kinds a mesh has nothing to go by. */
const essential = new Set(['GatewayClass', 'Gateway', 'HTTPRoute', 'ReferenceGrant', 'RetryPolicy', 'TimeoutPolicy']);
