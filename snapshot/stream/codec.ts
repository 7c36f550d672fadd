import type { Resource, ResourceKind } from '../resources.ts';
import { envelope, isObject, list, maxItems, maxName, oneOf, optional, record, text, type Check } from './check.ts';
import type { Decoded, DeltaRequest, DeltaResponse, ProxyNode, Received, VersionedResource } from './messages.ts';
import { resourceShapes, routeShape } from './shapes.ts';

/** A message is refused above this many UTF-16 units; a sender splits before (`Publisher`). */
export const maxMessageLength = 64 << 20;

export const resourceKinds: readonly ResourceKind[] = ['Listener', 'Destination', 'RouteTable', 'StreamTable', 'Backend', 'Certificate', 'Endpoints'];

const name = text(maxName);
const names = list(name);
const kind = oneOf(...resourceKinds);
/** A controller sends what fits its own version. */
const skew = '; this proxy is of another version than the controller';

const request = envelope<DeltaRequest>({
  node: optional(envelope<ProxyNode>({ id: name, role: oneOf('gateway', 'sidecar'), namespace: name, name })),
  // A newer proxy may ask for kinds that are not known here.
  type: name,
  subscribe: names,
  unsubscribe: names,
  initialVersions: optional(record(name)),
  nonce: optional(name),
  error: optional(text()),
  rejected: optional(record(text())),
});

const versioned = envelope<VersionedResource>({ name, version: name, resource: () => undefined });
const response = envelope<DeltaResponse>({ type: kind, nonce: name, resources: list(versioned), removed: names });

export function decodeRequest(message: string): Decoded<DeltaRequest> {
  return decode(message, request);
}

/** The envelope only: each resource is checked on its own (`resourceFault`), so that one bad resource does not cost the others. */
export function decodeResponse(message: Received): Decoded<DeltaResponse> {
  return typeof message === 'string' ? decode<DeltaResponse>(message, response) : message;
}

/** The same for a message that was parsed already. */
export function adoptResponse(value: unknown): Decoded<DeltaResponse> {
  return checked<DeltaResponse>(value, response);
}

/** Resources whose shape `isSound` found right. */
const sound = new WeakSet<VersionedResource>();
/** Routes that are checked in one step; each may have 128 matches. */
const routesAtOnce = 10;

/** Whether a resource has the shape that `resourceFault` asks for; a long table is looked at in steps, and `resourceFault` need not again. */
export function* isSound(type: ResourceKind, received: VersionedResource): Generator<undefined, boolean> {
  const { resource } = received as { readonly resource: unknown };
  const routes = type === 'RouteTable' && isObject(resource) ? resource['routes'] : undefined;
  const long = Array.isArray(routes) && routes.length > routesAtOnce && routes.length <= maxItems;
  for (let index = 0; long && index < routes.length; index++) {
    if (routeShape(routes[index]) !== undefined) return false;
    if (index % routesAtOnce === 0) yield;
  }
  const rest: VersionedResource = long ? { ...received, resource: { ...received.resource, routes: [] } as Resource } : received;
  if (resourceFault(type, rest) !== undefined) return false;
  sound.add(received);
  return true;
}

/** Why a received resource can't be used, or undefined. */
export function resourceFault(type: ResourceKind, received: VersionedResource): string | undefined {
  if (sound.has(received)) return undefined;
  const fault = resourceShapes[type](received.resource);
  if (fault !== undefined) return `${type}${fault}${skew}`;
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
