import type { Resource, ResourceKind } from '../resources.ts';
import { isObject, list, maxItems, maxName, object, oneOf, optional, record, text, type Check } from './check.ts';
import type { DeltaRequest, DeltaResponse, ProxyNode, VersionedResource } from './messages.ts';
import { resourceShapes, routeShape } from './shapes.ts';

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** A message is refused above this many UTF-16 units; a sender splits before (`Publisher`). */
export const maxMessageLength = 64 << 20;

export const resourceKinds: readonly ResourceKind[] = ['Listener', 'Destination', 'RouteTable', 'StreamTable', 'Backend', 'Certificate', 'Endpoints'];

const name = text(maxName);
const names = list(name);
const kind = oneOf(...resourceKinds);

const request = object<DeltaRequest>({
  node: optional(object<ProxyNode>({ id: name, role: oneOf('gateway', 'sidecar'), namespace: name, name })),
  type: kind,
  subscribe: names,
  unsubscribe: names,
  initialVersions: optional(record(name)),
  nonce: optional(name),
  error: optional(text()),
  rejected: optional(record(text())),
});

const versioned = object<VersionedResource>({ name, version: name, resource: () => undefined });
const response = object<DeltaResponse>({ type: kind, nonce: name, resources: list(versioned), removed: names });

export function decodeRequest(message: string): Decoded<DeltaRequest> {
  return decode(message, request);
}

/** What was decoded last, until this turn of the event loop is over. */
let latest: { readonly message: string; readonly decoded: Decoded<DeltaResponse> } | undefined;

/**
 * The envelope only: each resource is checked on its own (`resourceFault`), so that one bad resource does not cost the others. Who keeps the
 * last good resources reads a message just before the proxy does: both get the same objects, which nobody changes.
 */
export function decodeResponse(message: string): Decoded<DeltaResponse> {
  return latest?.message === message ? latest.decoded : remember(message, decode<DeltaResponse>(message, response));
}

/** The same for a message that was parsed already. */
export function adoptResponse(message: string, value: unknown): Decoded<DeltaResponse> {
  return remember(message, checked<DeltaResponse>(value, response));
}

function remember(message: string, decoded: Decoded<DeltaResponse>): Decoded<DeltaResponse> {
  if (latest === undefined) queueMicrotask(() => (latest = undefined));
  latest = { message, decoded };
  return decoded;
}

/** Tables whose shape `isSound` found right. */
const sound = new WeakSet<VersionedResource>();
/** Routes that are checked in one step. */
const routesAtOnce = 100;

/** Whether a resource has the shape that `resourceFault` asks for; a long table is looked at in steps, and `resourceFault` need not again. */
export function* isSound(type: ResourceKind, received: VersionedResource): Generator<undefined, boolean> {
  const { resource } = received as { readonly resource: unknown };
  const routes = type === 'RouteTable' && isObject(resource) ? resource['routes'] : undefined;
  if (!Array.isArray(routes) || routes.length <= routesAtOnce || routes.length > maxItems) return resourceFault(type, received) === undefined;
  for (let index = 0; index < routes.length; index++) {
    if (routeShape(routes[index]) !== undefined) return false;
    if (index % routesAtOnce === 0) yield;
  }
  const rest: VersionedResource = { ...received, resource: { ...received.resource, routes: [] } as Resource };
  if (resourceFault(type, rest) !== undefined) return false;
  sound.add(received);
  return true;
}

/** Why a received resource can't be used, or undefined. */
export function resourceFault(type: ResourceKind, received: VersionedResource): string | undefined {
  if (sound.has(received)) return undefined;
  const fault = resourceShapes[type](received.resource);
  if (fault !== undefined) return `${type}${fault}`;
  return (received.resource as Resource).name === received.name ? undefined : `${type}.name: is not ${received.name}`;
}

function decode<T>(message: string, check: Check): Decoded<T> {
  if (message.length > maxMessageLength) return { ok: false, error: `message longer than ${maxMessageLength}` };
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return { ok: false, error: 'message is not JSON' };
  }
  return checked(value, check);
}

function checked<T>(value: unknown, check: Check): Decoded<T> {
  const fault = check(value);
  return fault === undefined ? { ok: true, value: value as T } : { ok: false, error: `message${fault}` };
}
