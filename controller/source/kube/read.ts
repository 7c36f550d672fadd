import { emptyState, applyChanges, type ClusterState, type KindDefinition, type KindRegistry, type KubernetesObject } from '#crds';
import type { KubeApi } from '../../kube/types.ts';
import type { Problem } from '../../types.ts';
import { listPages } from './list.ts';
import { locateKind, locateReferred, pathOf, type Location } from './locate.ts';
import { referencesOf, type Reference } from './references.ts';
import { KindStore } from './store.ts';

export interface ReadEnvironment {
  readonly api: KubeApi;
  readonly registry: KindRegistry;
  readonly signal: AbortSignal;
}

/** The cluster at one moment. */
export interface ClusterReading {
  readonly state: ClusterState;
  /** Objects that can't be read. */
  readonly problems: readonly Problem[];
  /** Kinds that the API server does not have. */
  readonly absent: readonly string[];
  /** Kinds and single objects that could not be read, and why: what is made of the state may be wrong. */
  readonly unread: readonly { readonly what: string; readonly reason: string }[];
}

const byReference = new Set(['Secret', 'ConfigMap', 'ClusterTrustBundle']);
const page = 500;
const timeoutMs = 60_000;

/** Reads every kind of the registry once, Secrets and ConfigMaps as far as a Gateway names them. Rejects only when the signal is aborted. */
export async function readCluster(env: ReadEnvironment): Promise<ClusterReading> {
  const reader = new Reader(env);
  await Promise.all(env.registry.definitions.filter(({ kind }) => !byReference.has(kind)).map((definition) => reader.collection(definition)));
  await Promise.all([...referencesOf(reader.state()).values()].map((reference) => reader.one(reference)));
  env.signal.throwIfAborted();
  return { state: reader.state(), problems: reader.problems, absent: reader.absent.toSorted(), unread: reader.unread };
}

class Reader {
  readonly problems: Problem[] = [];
  readonly absent: string[] = [];
  readonly unread: { readonly what: string; readonly reason: string }[] = [];
  readonly #env: ReadEnvironment;
  readonly #objects: KubernetesObject[] = [];

  constructor(env: ReadEnvironment) {
    this.#env = env;
  }

  state(): ClusterState {
    return applyChanges(emptyState(), this.#objects);
  }

  async collection(definition: KindDefinition): Promise<void> {
    const { api, signal } = this.#env;
    await this.#guard(definition.kind, async () => {
      const location = await locateKind(api, definition, signal);
      if (location === undefined) this.absent.push(definition.kind);
      else await this.#list(definition, location, {});
    });
  }

  async one({ apiVersion, kind, namespace, name }: Reference): Promise<void> {
    const { api, registry, signal } = this.#env;
    const found = registry.find(apiVersion, kind);
    if (found.found !== 'kind') return;
    await this.#guard(`${kind} ${namespace}/${name}`, async () => {
      const location = await locateReferred(api, found.definition, signal);
      // A server that does not have the kind has no such object either.
      if (location !== undefined) await this.#list(found.definition, location, { namespace, name });
    });
  }

  async #list(definition: KindDefinition, location: Location, { namespace = '', name }: { readonly namespace?: string; readonly name?: string }): Promise<void> {
    const { api, registry, signal } = this.#env;
    const store = new KindStore({ definition, registry, status: 'drop', log: { applied: () => {}, removed: () => {}, touched: () => {} } });
    store.located(location);
    const options = { page, timeoutMs, signal, ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }) };
    await listPages(api, pathOf(location, { namespace }), options, (raw) => {
      const { object, problems } = store.read(raw);
      if (object !== undefined) this.#objects.push(object);
      this.problems.push(...problems);
    });
  }

  async #guard(what: string, turn: () => Promise<void>): Promise<void> {
    try {
      await turn();
    } catch (error) {
      this.unread.push({ what, reason: error instanceof Error ? error.message : String(error) });
    }
  }
}
