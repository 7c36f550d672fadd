import { builtInKinds, type KindDefinition, type KindRegistry } from '#crds';
import { policyKinds } from '#policy';

/** Every kind that Weft reads: Gateway API, the core kinds and its own policies. */
export const knownKinds: KindRegistry = builtInKinds.with(policyKinds.map((kind) => ({ ...kind, apiVersions: kind.apiVersions as KindDefinition['apiVersions'] })));
