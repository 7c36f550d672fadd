import { readManifests, stateOf, type ClusterState } from '#crds';
import { knownKinds } from './source/kinds.ts';
import { assignAddresses } from './push/addresses.ts';
import { translate } from './translate.ts';
import type { ConditionDraft, Environment, ObjectStatus, Translation } from './types.ts';

/** For tests: the state that YAML describes. A fault in the YAML fails the test. */
export function stateFrom(yaml: string): ClusterState {
  const { objects, problems } = readManifests([{ file: 'test.yaml', text: yaml }], knownKinds);
  if (problems.length > 0) throw new Error(problems.map(({ source, message }) => `line ${source.line}: ${message}`).join('\n'));
  return stateOf(objects);
}

export function translateYaml(yaml: string, environment?: Partial<Environment>): Translation {
  const state = stateFrom(yaml);
  return translate(state, { gatewayAddresses: assignAddresses(state, { first: '127.0.0.1' }, new Map()), portOffset: 0, ...environment });
}

interface Conditioned {
  readonly conditions: readonly ConditionDraft[];
}

/** The status of `{kind} {name}`; the objects of a test have distinct names. */
export function statusOf(translation: Translation, object: string): ObjectStatus['status'] & { readonly conditions: readonly ConditionDraft[] } {
  const found = translation.statuses.find(({ kind, name }) => `${kind} ${name}` === object);
  if (found === undefined) throw new Error(`no status of ${object}`);
  return found.status as ObjectStatus['status'] & Conditioned;
}

/** `Accepted=False NoMatchingParent`, by type. */
export function conditionsOf({ conditions }: Conditioned): Readonly<Record<string, string>> {
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

export function listenerOf(translation: Translation, gateway: string, name: string): Conditioned & { readonly attachedRoutes: number; readonly supportedKinds: readonly unknown[] } {
  const listeners = statusOf(translation, `Gateway ${gateway}`)['listeners'] as readonly (ReturnType<typeof listenerOf> & { readonly name: string })[];
  const found = listeners.find((listener) => listener.name === name);
  if (found === undefined) throw new Error(`no status of listener ${name}`);
  return found;
}

/** The conditions of a route for its parentRef at the index. */
export function parentOf(translation: Translation, route: string, index = 0): Conditioned {
  const parents = statusOf(translation, route)['parents'] as readonly Conditioned[];
  const found = parents[index];
  if (found === undefined) throw new Error(`no parent ${index} of ${route}`);
  return found;
}
