import type { KubernetesObject } from './object.ts';
import type { FieldError } from './result.ts';
import type { Schema } from './schema/schema.ts';
import { nearest } from './schema/words.ts';

/** A kind that manifests and clusters may hold. */
export interface KindDefinition {
  /** Every served `group/version` (the bare version for the core group). Parsed objects carry the first. */
  readonly apiVersions: readonly [string, ...string[]];
  readonly kind: string;
  readonly namespaced: boolean;
  /** The structural schema, with defaults and CEL rules; `apiVersion`, `kind` and `metadata` in it are not looked at. */
  readonly schema: Schema | ((apiVersion: string) => Schema);
  /**
   * A field that the schema does not have: an error (the default), or left out of the result, for kinds of which we describe
   * only a part. Kinds that refuse have their `status` left out too where it does not fit: it is not the user's to write.
   */
  readonly unknownFields?: 'refuse' | 'leave-out';
  /** What schemas can't express: last defaults and checks. Sees a checked, defaulted object that nobody else holds. */
  readonly complete?: (object: Completable) => readonly FieldError[];
}

export type Completable = Record<string, unknown> & Pick<KubernetesObject, 'metadata'>;

export type Lookup =
  | { readonly found: 'kind'; readonly definition: KindDefinition }
  /** The kind is known, this version of it is not. */
  | { readonly found: 'version'; readonly definition: KindDefinition }
  /** Likely a slip for a kind of the same group. */
  | { readonly found: 'similar'; readonly definition: KindDefinition }
  /** A kind of another group, under a group of Kubernetes or one related to its own, where nobody else has a kind of that name. */
  | { readonly found: 'elsewhere'; readonly definition: KindDefinition }
  | { readonly found: 'nothing' };

/** The kinds that we read. Immutable. */
export class KindRegistry {
  readonly definitions: readonly KindDefinition[];
  readonly #byGroup = new Map<string, Map<string, KindDefinition>>();

  /** A later definition of a kind of the same group replaces an earlier one. */
  constructor(definitions: Iterable<KindDefinition>) {
    for (const definition of definitions) {
      const group = groupOf(definition.apiVersions[0]);
      const kinds = this.#byGroup.get(group) ?? new Map<string, KindDefinition>();
      this.#byGroup.set(group, kinds.set(definition.kind, definition));
    }
    this.definitions = [...this.#byGroup.values()].flatMap((kinds) => [...kinds.values()]);
  }

  with(definitions: Iterable<KindDefinition>): KindRegistry {
    return new KindRegistry([...this.definitions, ...definitions]);
  }

  find(apiVersion: string, kind: string): Lookup {
    const kinds = this.#byGroup.get(groupOf(apiVersion));
    const definition = kinds?.get(kind);
    if (definition !== undefined) return { found: definition.apiVersions.includes(apiVersion) ? 'kind' : 'version', definition };
    const similar = kinds === undefined ? undefined : kinds.get(nearest(kind, kinds.keys()) ?? '');
    if (similar !== undefined) return { found: 'similar', definition: similar };
    const elsewhere = this.definitions.find((candidate) => candidate.kind === kind && mixedUp(groupOf(apiVersion), groupOf(candidate.apiVersions[0])));
    return elsewhere === undefined ? { found: 'nothing' } : { found: 'elsewhere', definition: elsewhere };
  }
}

/** `networking.istio.io` may have a Gateway of its own; `networking.k8s.io`, `apps` and the core group have none. */
function mixedUp(written: string, meant: string): boolean {
  return !written.includes('.') || written.endsWith('k8s.io') || meant.endsWith(`.${written}`) || written.endsWith(`.${meant}`);
}

/** `apps` of `apps/v1`; empty for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}
