import type { ExecutionContext } from 'ava';
import { objectKey, readManifests, stateOf, type ClusterState, type KubernetesObject } from '#crds';
import { Pace } from '#snapshot';
import { knownKinds } from './source/kinds.ts';
import { assignAddresses } from './push/addresses.ts';
import { translate, translateInSteps } from './translate.ts';
import type { ConditionDraft, Environment, ObjectStatus, Translation } from './types.ts';

/** For tests: the state that YAML describes. A fault in the YAML fails the test. */
export function stateFrom(yaml: string): ClusterState {
  const { objects, problems } = readManifests([{ file: 'test.yaml', text: yaml }], knownKinds);
  if (problems.length > 0) throw new Error(problems.map(({ source, message }) => `line ${source.line}: ${message}`).join('\n'));
  return stateOf(objects);
}

export function translateYaml(yaml: string, environment?: Partial<Environment>): Translation {
  return translateState(stateFrom(yaml), environment);
}

export function translateState(state: ClusterState, environment?: Partial<Environment>): Translation {
  return translate(state, { ...environmentOf(state), ...environment });
}

export function environmentOf(state: ClusterState): Environment {
  return { gatewayAddresses: assignAddresses(state, { first: '127.0.0.1' }, new Map()), portOffset: 0, workloads: 'elsewhere' };
}

export function translateObjects(objects: readonly KubernetesObject[]): Translation {
  return translateState(stateOf(objects));
}

/** Of objects made by chance those that the schemas take, each name once. */
export function takenObjects(written: readonly unknown[]): readonly KubernetesObject[] {
  return lastOfEach(
    written.flatMap((each): readonly KubernetesObject[] => {
      try {
        return Object.values(stateFrom(JSON.stringify(each))).flatMap((map) => [...map.values()]);
      } catch {
        // What a schema's rules refuse never gets to translation.
        return [];
      }
    }),
  );
}

/** Two translations whose steps take turns, as `turns` says (0: the first one's, 1: the other's); a step is one item. */
export function translateByTurns(states: readonly [ClusterState, ClusterState], turns: Iterator<number>): readonly [Translation, Translation] {
  const works = states.map((state) => translateInSteps(state, environmentOf(state), new Pace(1)));
  const results: (Translation | undefined)[] = [undefined, undefined];
  while (results.includes(undefined)) {
    const wanted = turns.next().value ?? 0;
    const at = results[wanted] === undefined ? wanted : 1 - wanted;
    const { done, value } = works[at]!.next();
    if (done === true) results[at] = value;
  }
  return [results[0]!, results[1]!];
}

function lastOfEach(objects: readonly KubernetesObject[]): readonly KubernetesObject[] {
  return [...new Map(objects.map((each) => [`${each.kind} ${objectKey(each)}`, each])).values()];
}

export interface Change {
  readonly before: readonly KubernetesObject[];
  /** Of the object that goes, modulo their number. */
  readonly gone: number;
  /** They come, in the place of those of their names. */
  readonly come: readonly KubernetesObject[];
}

/** A property: what is kept of one translation for the next never shows. `textOf`: all that came of it. */
export function assertAnew(t: ExecutionContext, { before, gone, come }: Change, textOf: (translation: Translation) => string): void {
  const same = (objects: readonly KubernetesObject[], step: string): unknown => t.is(textOf(translateObjects(objects)), textOf(translateObjects(structuredClone(objects))), step);
  translateObjects(before);
  same(before.filter((_, index) => index !== gone % before.length), 'without one');
  same(lastOfEach([...before, ...come]), 'with others in their place');
  same(before, 'and back');
}

/** A property: every error is in the message of a condition of its object. */
export function assertErrorsTold(t: ExecutionContext, objects: readonly KubernetesObject[]): void {
  const { problems, statuses } = translateObjects(objects);
  for (const { severity, object: about, message } of problems) {
    if (severity !== 'error') continue;
    const status = statuses.find(({ kind, namespace, name }) => kind === about.kind && namespace === about.namespace && name === about.name);
    t.true(JSON.stringify(status ?? '').includes(JSON.stringify(message).slice(1, -1)), `${about.kind} ${about.name}: ${message}`);
  }
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
