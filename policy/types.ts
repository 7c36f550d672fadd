import type { Condition, KubernetesObject, SourcePosition, XBackendTrafficPolicy } from '#crds';
import type { EffectivePolicy, ObjectRef, Origin, PolicyLevel, RetryFields, SessionPersistence, TimeoutFields } from '#snapshot';

/** What a policy attaches to. `section` is a listener, a named rule or a port name. Namespace is empty for cluster-scoped kinds. */
export interface PolicyTarget {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly section?: string;
}

/** One step of a path through the hierarchy. */
export interface PathStep {
  readonly level: PolicyLevel;
  readonly target: PolicyTarget;
}

/**
 * The way a request takes through the hierarchy, for which one effective policy exists: this Gateway, listener, route, rule and
 * backend; or this client namespace, route, rule and backend. Top (least specific) first; a namespace that would stand twice
 * stands once, at the higher of its places. Whoever builds the path sees to that; `gatewayPath` and `meshPath` do.
 */
export interface PolicyPath {
  readonly steps: readonly PathStep[];
  /** What the route says itself, in the policies' vocabulary. */
  readonly inline?: { readonly ref: ObjectRef; readonly retry?: RetryFields; readonly timeouts?: TimeoutFields; readonly session?: SessionPersistence };
}

/** A field that a policy gave and something else decided. */
export interface LostField {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly stanza: Origin['stanza'];
  readonly level: PolicyLevel;
  /** As in `EffectivePolicy.origins`: `retry.maxRetries`. */
  readonly field: string;
  readonly value: unknown;
  /**
   * What won: `{kind}/{namespace}/{name} ({stanza} at {level})`. A field that cannot act where it stands loses to nobody: then the
   * text begins with `nothing: ` and says why.
   */
  readonly to: string;
}

export interface SettledPolicy {
  readonly policy: EffectivePolicy;
  readonly lost: readonly LostField[];
  /** The messages of `findings`. */
  readonly warnings: readonly string[];
  readonly findings: readonly Finding[];
}

/** Something in a merged result that will surprise whoever wrote it. */
export interface Finding {
  readonly reason: FindingReason;
  readonly message: string;
  /** The leaf that the finding is about. */
  readonly field: string;
  /** Who gave that leaf. */
  readonly origin: Origin;
}

export type FindingReason =
  /** A default under an override of the same field in the same object. */
  | 'DeadDefault'
  /** A field at a level where nothing reads it. */
  | 'NoEffectAtLevel'
  | 'BackendRequestClamped'
  | 'PerTryTimeoutBeyondRequest'
  | 'PerTryTimeoutBeyondBackendRequest'
  | 'RetriesBeyondRequest'
  | 'RetriesNeverHappen'
  | 'BackoffMaxBelowBase';

/** `spec.targetRef` as users write it. */
export interface TargetRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly sectionName?: string;
  /** Only there to be refused with a message: a policy attaches in its own namespace. */
  readonly namespace?: string;
}

export interface PolicySpec<Fields> {
  readonly targetRef?: TargetRef;
  readonly targetRefs?: readonly TargetRef[];
  readonly override?: Fields;
  readonly default?: Fields;
}

export interface RetryPolicy extends KubernetesObject {
  readonly kind: 'RetryPolicy';
  readonly spec: PolicySpec<RetryFields>;
}

export interface TimeoutPolicy extends KubernetesObject {
  readonly kind: 'TimeoutPolicy';
  readonly spec: PolicySpec<TimeoutFields>;
}

export type Policy = RetryPolicy | TimeoutPolicy;

/** Also a direct policy: Gateway API's own, without stanzas, for the Services that it names and nothing below or above them. */
export type AnyPolicy = Policy | XBackendTrafficPolicy;

/**
 * What the cluster knows of a target. `foreign`: it is there, but another controller's: we attach nothing and report nothing. `sections`: it is there
 * without the section, and these are the names of those that it has.
 */
export type Lookup = (target: PolicyTarget) => 'found' | 'no-target' | 'foreign' | { readonly sections: readonly string[] };

export interface Leaf {
  /** As in `EffectivePolicy.origins`. */
  readonly field: string;
  readonly value: unknown;
}

/** A policy at one of its targets, with its stanzas flattened. */
export interface Attached {
  readonly policy: AnyPolicy;
  readonly override: readonly Leaf[];
  readonly default: readonly Leaf[];
  /** Of a direct policy, which has no stanzas. */
  readonly direct: readonly Leaf[];
}

/** Whether a policy is accepted at one of its targets (GEP-713, conditions of policies). */
export interface TargetVerdict {
  readonly target: PolicyTarget;
  readonly reason: 'Accepted' | 'Conflicted' | 'Invalid' | 'TargetNotFound';
  readonly message: string;
}

export interface PolicyVerdict {
  readonly policy: AnyPolicy;
  readonly targets: readonly TargetVerdict[];
}

/** Which policies stand where. Made by `attach`. */
export interface Attachments {
  /** By `targetKey`; older policies first. */
  readonly byTarget: ReadonlyMap<string, readonly Attached[]>;
  /** In the order of `policyKey`. */
  readonly verdicts: ReadonlyMap<string, PolicyVerdict>;
  readonly problems: readonly Problem[];
}

/** A fault in what a user wrote (`error`), or something that will surprise (`warning`). Every error ends in a status condition. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly object: ObjectRef & { readonly apiVersion: string };
  /** Where in the object: `['spec', 'rules', 0, 'backendRefs', 1]`. */
  readonly path: readonly (string | number)[];
  readonly source?: SourcePosition;
  /** CamelCase, as in conditions. */
  readonly reason: string;
  /** What, where, and what to do. */
  readonly message: string;
}

/** What status needs to know of a settled path; the controller's `SettledPath` is one. */
export interface PathVerdict {
  readonly via:
    | { readonly kind: 'gateway'; readonly gateway: ObjectRef; readonly listenerSet?: ObjectRef }
    | { readonly kind: 'mesh'; readonly service: ObjectRef };
  readonly path: PolicyPath;
  readonly settled: SettledPolicy;
}

/** A condition without its time, which the writer of the status adds. */
export type ConditionDraft = Omit<Condition, 'lastTransitionTime'>;
