import type { EffectivePolicy, Origin, RetryFields, TimeoutFields } from '#snapshot';
import type { Attached, Leaf, Policy } from '../types.ts';

/** Under which key of an effective policy a kind's fields stand. */
const partOf = { RetryPolicy: 'retry', TimeoutPolicy: 'timeouts' } as const satisfies Record<Policy['kind'], string>;

/** What goes along a path: requests, connections whose bytes pass as they are, or flows of datagrams. */
export type Carried = 'requests' | 'connections' | 'datagrams';

/** Fields that act on a client's connection, before it is known which route a request takes. */
export const connectionFields: ReadonlySet<string> = new Set(['timeouts.requestHeaders', 'timeouts.maxConnectionDuration']);

/** Where to put them instead. */
const connectionHint =
  'it acts on client connections, before the route of a request is known; set it on a Gateway listener, a Gateway, its namespace or GatewayClass, or for mesh traffic on XMesh or the clients\' namespace.';

/** Fields that act on what passes as it is. Its route is known from its beginning, so they act at every level. */
const streamFields: Readonly<Record<Exclude<Carried, 'requests'>, ReadonlySet<string>>> = {
  connections: new Set(['timeouts.connect', 'timeouts.streamIdle', 'timeouts.maxConnectionDuration']),
  datagrams: new Set(['timeouts.streamIdle']),
};

const streamHints: Readonly<Record<keyof typeof streamFields, string>> = {
  connections: 'connections pass here as they are, and only connect, streamIdle and maxConnectionDuration of a TimeoutPolicy act on them.',
  datagrams: 'datagrams pass here as they are, and only streamIdle of a TimeoutPolicy acts on them.',
};

/** Why a field does not act on what goes along a path; undefined where it does. `onConnection`: it stands where a client's connection can still be influenced. */
export function idleness(field: string, at: { readonly carries: Carried; readonly onConnection: boolean }): string | undefined {
  if (at.carries === 'requests') return at.onConnection || !connectionFields.has(field) ? undefined : connectionHint;
  return streamFields[at.carries].has(field) ? undefined : streamHints[at.carries];
}

/** What may go through a target below the listener. */
const carriedThrough: ReadonlyMap<string, readonly Carried[]> = new Map<string, readonly Carried[]>([
  ['HTTPRoute', ['requests']],
  ['GRPCRoute', ['requests']],
  ['TLSRoute', ['connections']],
  ['TCPRoute', ['connections']],
  ['UDPRoute', ['datagrams']],
  ['Service', ['requests', 'connections', 'datagrams']],
  ['ServiceImport', ['requests', 'connections', 'datagrams']],
]);

/** Why a field acts on nothing that may go through a target of the kind; undefined where it may act. */
export function idleAt(kind: string, field: string): string | undefined {
  const reasons = (carriedThrough.get(kind) ?? []).map((carries) => idleness(field, { carries, onConnection: false }));
  return reasons.includes(undefined) ? undefined : reasons[0];
}

/** The leaves of a stanza. Lists are leaves: they are replaced whole. An empty object sets nothing. */
export function flatten(kind: Policy['kind'], fields: RetryFields | TimeoutFields | undefined): readonly Leaf[] {
  return fields === undefined ? [] : leaves(fields, partOf[kind]);
}

function leaves(fields: object, prefix: string): readonly Leaf[] {
  return Object.entries(fields).flatMap(([name, value]: [string, unknown]): readonly Leaf[] => {
    const field = `${prefix}.${name}`;
    // Null deletes nothing here: Kubernetes drops it before it is stored.
    if (value === undefined || value === null) return [];
    return typeof value === 'object' && !Array.isArray(value) ? leaves(value, field) : [{ field, value }];
  });
}

/** The opposite of `flatten`: `{ retry, timeouts, session }`. */
export function unflatten(claims: Iterable<Leaf>): Omit<EffectivePolicy, 'origins'> {
  const root: Record<string, unknown> = {};
  for (const { field, value } of claims) {
    const steps = field.split('.');
    const last = steps.pop()!;
    let place = root;
    for (const step of steps) place = (place[step] ??= {}) as Record<string, unknown>;
    place[last] = value;
  }
  return root;
}

/** Defaults that lose to the override of the same object wherever it attaches. */
export function deadDefaults(attached: Attached): readonly { readonly field: string; readonly message: string }[] {
  return attached.default.flatMap(({ field, value }) => {
    const override = attached.override.find((leaf) => leaf.field === field);
    if (override === undefined) return [];
    const message = `The default ${field} (${showValue(value)}) never acts: the override of the same policy sets it to ${showValue(override.value)}.`;
    return [{ field, message }];
  });
}

export function showValue(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
}

/** `{kind}/{namespace}/{name} ({stanza} at {level})`. */
export function describeOrigin(origin: Origin): string {
  return `${origin.kind}/${origin.namespace}/${origin.name} (${origin.stanza} at ${origin.level})`;
}
