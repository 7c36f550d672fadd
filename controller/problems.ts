import { formatPath, positionOf, type FieldPath, type KubernetesObject } from '#crds';
import { clipped } from '#policy';
import { sortInSteps, type ObjectRef, type Pace, type Steps } from '#snapshot';
import { compareText } from './cluster.ts';
import { sourceOf } from './derived.ts';
import type { ConditionDraft, Problem } from './types.ts';

/** How one question about an object was answered: becomes a condition, and a problem where the answer is no. */
export interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** One fault at one place of an object, before it is known which object and condition it ends in. */
export interface Fault {
  readonly reason: string;
  readonly path: FieldPath;
  readonly message: string;
}

export function yes(reason: string, message: string): Verdict {
  return { status: 'True', reason, message };
}

export function no(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}

/** Every fault by name, under the reason of the first; `good` where there is none. */
export function verdictOf(faults: readonly Fault[], good: Verdict): Verdict {
  const first = faults[0];
  if (first === undefined) return good;
  return no(first.reason, faults.map((fault) => withPath(fault)).join('; '));
}

/** `spec.rules[0]: what is wrong`. */
export function withPath(fault: Fault): string {
  return fault.path.length === 0 ? fault.message : `${formatPath(fault.path)}: ${fault.message}`;
}

/** A condition at the generation that it speaks of. */
export function condition(type: string, verdict: Verdict, object: KubernetesObject): ConditionDraft {
  const { generation } = object.metadata;
  return { type, status: verdict.status, reason: verdict.reason, message: clipped(verdict.message), ...(generation === undefined ? {} : { observedGeneration: generation }) };
}

/** Of a derived object it is the problem of what was written. */
export function problem(severity: Problem['severity'], at: KubernetesObject, fault: Fault): Problem {
  const { object, path, message = fault.message } = sourceOf(at)?.written(fault.path) ?? { object: at, path: fault.path };
  const source = positionOf(object, path);
  return {
    severity,
    object: { apiVersion: object.apiVersion, ...refOf(object) },
    path,
    ...(source === undefined ? {} : { source }),
    reason: fault.reason,
    message,
  };
}

/** A derived object goes by the name of what it stands for. */
export function refOf(object: KubernetesObject): ObjectRef {
  const { kind, metadata } = sourceOf(object)?.object ?? object;
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

/** Each once: errors before warnings, then by object and place. */
export function* inOrder(problems: readonly Problem[], pace: Pace): Steps<readonly Problem[]> {
  const keyed: { readonly each: Problem; readonly key: string }[] = [];
  for (const each of yield* distinct(problems, pace)) {
    keyed.push({ each, key: [each.severity, each.object.kind, each.object.namespace, each.object.name, ...each.path.map((step) => String(step).padStart(4, '0'))].join(' ') });
    if (pace.spend()) yield;
  }
  return (yield* sortInSteps(keyed, (a, b) => compareText(a.key, b.key), pace)).map(({ each }) => each);
}

/** The same fault found on several ways (a route with two parents) is told once. */
function* distinct(problems: readonly Problem[], pace: Pace): Steps<Iterable<Problem>> {
  const seen = new Map<string, Problem>();
  for (const each of problems) {
    if (pace.spend()) yield;
    const { apiVersion, kind, namespace, name } = each.object;
    seen.set(JSON.stringify([apiVersion, kind, namespace, name, each.path, each.reason, each.message]), each);
  }
  return seen.values();
}
