import { builtInKinds, readManifests, stateOf, type ClusterState, type ManifestProblem } from '#crds';
import { assignAddresses, translate, type Translation } from '#controller';
import { policyKinds } from '#policy';
import { fillCertificates } from './certificates.ts';

/** A case as the control plane sees it. */
export interface Translated {
  readonly state: ClusterState;
  readonly translation: Translation;
  /** What could not be read; its objects are missing. */
  readonly unreadable: readonly ManifestProblem[];
}

export function translateCase(input: string): Translated {
  const text = fillCertificates(input);
  const { objects, problems } = readManifests([{ file: 'input.yaml', text }], builtInKinds.with(policyKinds));
  const state = stateOf(objects);
  const gatewayAddresses = assignAddresses(state, { first: '127.0.0.1' }, new Map());
  return { state, translation: translate(state, { gatewayAddresses, portOffset: 0, workloads: 'elsewhere' }), unreadable: problems };
}
