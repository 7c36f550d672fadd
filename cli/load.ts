import type { ClusterState, IgnoredObject, ManifestProblem } from '#crds';
import { assignAddresses, readFiles, translate, withBuiltIns, type Translation } from '#controller';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './explain/place.ts';

/** Manifests, read and translated as `weft up` would do it. */
export interface Loaded {
  readonly state: ClusterState;
  readonly translation: Translation;
  /** What could not be read. */
  readonly problems: readonly ManifestProblem[];
  /** Objects of kinds that Weft does not read. */
  readonly ignored: readonly IgnoredObject[];
}

/** Reads files and folders. Throws UsageError where a path can't be read; an object that can't be is told and left out. */
export async function load(paths: readonly string[], environment: CliEnvironment): Promise<Loaded> {
  const loaded = await loadQuietly(paths);
  for (const { source, message } of loaded.problems) environment.err(`${source.file}:${source.line}:${source.column}: ${message}\n`);
  return loaded;
}

/** The same without telling what could not be read; it is in `problems`. */
export async function loadQuietly(paths: readonly string[]): Promise<Loaded> {
  const { state: read, problems, ignored, faults } = await readFiles(paths);
  if (faults.length > 0) throw new UsageError(faults.map(({ file, message }) => `${file}: ${message}`).join('\n      '));
  const state = withBuiltIns(read);
  const gatewayAddresses = assignAddresses(state, { first: '127.0.0.1' }, new Map());
  return { state, translation: translate(state, { gatewayAddresses, portOffset: 0 }), problems, ignored };
}
