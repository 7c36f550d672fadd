import type { EffectivePolicy, ObjectRef, PolicyLevel, RetryFields, TimeoutFields } from '#snapshot';

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
 * stands once, at the higher of its places. Whoever builds the path sees to that.
 */
export interface PolicyPath {
  readonly steps: readonly PathStep[];
  /** The route's own `retry` and `timeouts`, in the policies' vocabulary. */
  readonly inline?: { readonly ref: ObjectRef; readonly retry?: RetryFields; readonly timeouts?: TimeoutFields };
}

/** A field that a policy gave and something else decided. */
export interface LostField {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly stanza: 'override' | 'default' | 'route';
  readonly level: PolicyLevel;
  /** As in `EffectivePolicy.origins`: `retry.maxRetries`. */
  readonly field: string;
  readonly value: unknown;
  /** What won: `{kind}/{namespace}/{name} ({stanza} at {level})`. */
  readonly to: string;
}

export interface SettledPolicy {
  readonly policy: EffectivePolicy;
  readonly lost: readonly LostField[];
  readonly warnings: readonly string[];
}
