import type { ObjectRef } from '#snapshot';
import type { AnyPolicy, PolicyTarget, TargetRef, TargetVerdict } from '../types.ts';

/** The namespace whose policies may attach to what belongs to no namespace. */
export const rootNamespace = 'weft-system';

interface TargetKind {
  readonly group: string;
  readonly clusterScoped: boolean;
  /** What `sectionName` names; undefined where the kind has no sections. */
  readonly section: string | undefined;
}

const gatewayGroup = 'gateway.networking.k8s.io';

/** What a policy can attach to, by kind. */
export const targetKinds: ReadonlyMap<string, TargetKind> = new Map([
  ['GatewayClass', { group: gatewayGroup, clusterScoped: true, section: undefined }],
  ['XMesh', { group: 'gateway.networking.x-k8s.io', clusterScoped: true, section: undefined }],
  ['Namespace', { group: '', clusterScoped: true, section: undefined }],
  ['Gateway', { group: gatewayGroup, clusterScoped: false, section: 'listener' }],
  ['ListenerSet', { group: gatewayGroup, clusterScoped: false, section: 'listener' }],
  ['HTTPRoute', { group: gatewayGroup, clusterScoped: false, section: 'rule' }],
  ['GRPCRoute', { group: gatewayGroup, clusterScoped: false, section: 'rule' }],
  ['TLSRoute', { group: gatewayGroup, clusterScoped: false, section: 'rule' }],
  ['TCPRoute', { group: gatewayGroup, clusterScoped: false, section: 'rule' }],
  ['UDPRoute', { group: gatewayGroup, clusterScoped: false, section: 'rule' }],
  ['Service', { group: '', clusterScoped: false, section: 'port' }],
  ['ServiceImport', { group: 'multicluster.x-k8s.io', clusterScoped: false, section: 'port' }],
]);

/** What a policy of backends can attach to. */
const backendKinds: readonly string[] = ['Service', 'ServiceImport'];

/** Names a target in `Attachments.byTarget`. The kinds are ours to choose from, so a group adds nothing. */
export function targetKey(target: PolicyTarget): string {
  const namespace = targetKinds.get(target.kind)?.clusterScoped === true ? '' : target.namespace;
  const key = `${target.kind}/${namespace}/${target.name}`;
  return target.section === undefined ? key : `${key}/${target.section}`;
}

/** For people: `HTTPRoute shop/foo`, `rule pay of HTTPRoute shop/foo`. */
export function describeTarget(target: PolicyTarget): string {
  const name = target.namespace === '' ? target.name : `${target.namespace}/${target.name}`;
  const object = `${target.kind} ${name}`;
  if (target.section === undefined) return object;
  return `${targetKinds.get(target.kind)?.section ?? 'section'} ${target.section} of ${object}`;
}

/** `{kind}/{namespace}/{name}`. */
export function refKey(ref: ObjectRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`;
}

export function policyRef(policy: AnyPolicy): ObjectRef {
  return { kind: policy.kind, namespace: policy.metadata.namespace, name: policy.metadata.name };
}

export function policyKey(policy: AnyPolicy): string {
  return refKey(policyRef(policy));
}

export interface ResolvedTarget {
  readonly target: PolicyTarget;
  /** From the policy: `['spec', 'targetRefs', 1]`. */
  readonly path: readonly (string | number)[];
  /** Undefined where nothing in the reference itself forbids it. */
  readonly refusal: Pick<TargetVerdict, 'reason' | 'message'> | undefined;
  /** The version that stood behind the group. */
  readonly strayVersion: string | undefined;
}

/** `spec.targetRef` and `spec.targetRefs` in the order written. The schema sees to it that one of them is there. */
export function targetsOf(policy: AnyPolicy): readonly ResolvedTarget[] {
  const { targetRef, targetRefs = [] } = policy.kind === 'XBackendTrafficPolicy' ? { ...policy.spec, targetRef: undefined } : policy.spec;
  return [
    ...(targetRef === undefined ? [] : [resolve(policy, targetRef, ['spec', 'targetRef'])]),
    ...targetRefs.map((ref, index) => resolve(policy, ref, ['spec', 'targetRefs', index])),
  ];
}

function resolve(policy: AnyPolicy, ref: TargetRef, path: ResolvedTarget['path']): ResolvedTarget {
  const slash = ref.group.indexOf('/');
  const group = slash < 0 ? ref.group : ref.group.slice(0, slash);
  const kind = targetKinds.get(ref.kind);
  const target: PolicyTarget = {
    group,
    kind: ref.kind,
    namespace: kind?.clusterScoped === true ? '' : policy.metadata.namespace,
    name: ref.name,
    ...(ref.sectionName === undefined ? {} : { section: ref.sectionName }),
  };
  const message = refusal(policy, ref, target);
  return { target, path, refusal: message === undefined ? undefined : { reason: 'Invalid', message }, strayVersion: slash < 0 ? undefined : ref.group.slice(slash + 1) };
}

/** Why the author of the policy may not attach there, or nobody can; undefined where that is all right. */
function refusal(policy: AnyPolicy, ref: TargetRef, target: PolicyTarget): string | undefined {
  const own = policy.metadata.namespace;
  const kind = targetKinds.get(ref.kind);
  if (kind === undefined || (policy.kind === 'XBackendTrafficPolicy' && !backendKinds.includes(ref.kind))) {
    const isDirect = policy.kind === 'XBackendTrafficPolicy';
    const possible = isDirect ? backendKinds : [...targetKinds.keys()];
    const meant = possible.find((each) => each.toLowerCase() === ref.kind.toLowerCase());
    return `${isDirect ? 'This policy' : 'A policy'} cannot attach to kind ${ref.kind}; ${meant === undefined ? `it can to ${possible.join(', ')}.` : `did you mean ${meant}?`}`;
  }
  if (kind.group !== target.group) return `Kind ${ref.kind} is in group ${quote(kind.group)}, not ${quote(target.group)}.`;
  if (ref.sectionName !== undefined && kind.section === undefined) return `${ref.kind} has no sections; leave out sectionName.`;
  if (ref.kind === 'Namespace') {
    return ref.name === own ? undefined : `A policy attaches to its own namespace only: it is in ${own}, the target is ${ref.name}.`;
  }
  if (kind.clusterScoped) {
    return own === rootNamespace ? undefined : `Only a policy in namespace ${rootNamespace} may attach to ${ref.kind}; this one is in ${own}.`;
  }
  if (ref.namespace !== undefined && ref.namespace !== own) return `A policy attaches in its own namespace only: it is in ${own}, the target in ${ref.namespace}.`;
  return undefined;
}

/** For people; a message has room for so many. */
export function listed(texts: readonly string[], separator = ', '): string {
  const rest = texts.length - maxListed;
  return [...texts.slice(0, maxListed), ...(rest > 0 ? [`and ${rest} more`] : [])].join(separator);
}

const maxListed = 12;

function quote(text: string): string {
  return JSON.stringify(text);
}
