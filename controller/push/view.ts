import { hash } from 'node:crypto';
import { Pace, runSteps, type ProxyNode, type Published, type Resource, type ResourceKind, type ResourceView, type Route, type RouteTable, type Steps } from '#snapshot';
import { gatewayOfVariant } from '../graph/tls/variants.ts';
import { createSlot } from '../memo.ts';
import type { Snapshots } from '../types.ts';

const published = createSlot<Resource, Published>();

/**
 * The resource as it goes over the wire. The version is a hash of the content: translation writes the fields of a kind in one order, so
 * equal content gives equal text. Made once per object: a translation reuses what did not change.
 */
export function publish(resource: Resource): Published {
  return runSteps(publishInSteps(resource));
}

/** `publish` in steps; that has the result at hand afterwards. */
export function* publishInSteps(resource: Resource): Steps<Published> {
  const known = published.find(resource);
  if (known !== undefined) return known;
  const { text, version } = resource.kind === 'RouteTable' ? yield* encodeTable(resource) : encode(resource);
  const made = { version, encoded: `{"name":${JSON.stringify(resource.name)},"version":"${version}","resource":${text}}` };
  published.keep(resource, made);
  return made;
}

interface Encoded {
  readonly text: string;
  readonly version: string;
}

const routes = createSlot<Route, Encoded>();

/** Of a table's routes only those that are new are written out; its version is made of theirs. */
function* encodeTable(table: RouteTable): Steps<Encoded> {
  const pace = new Pace();
  const { routes: all, ...rest } = table;
  const head = JSON.stringify(rest);
  const versions = [head];
  const parts: string[] = [];
  for (const route of all) {
    const known = routes.find(route);
    const encoded = known ?? encode(route);
    if (known === undefined) routes.keep(route, encoded);
    versions.push(encoded.version);
    parts.push(encoded.text);
    if (pace.spend()) yield;
  }
  return { text: `${head.slice(0, -1)},"routes":[${parts.join(',')}]}`, version: versionOf(versions.join()) };
}

function encode(value: Resource | Route): Encoded {
  const text = JSON.stringify(value);
  return { text, version: versionOf(text) };
}

function versionOf(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

/**
 * What one proxy may see of the newest snapshots: a gateway its own listeners, their tables and certificates; a sidecar what clients of
 * its namespace see. A private key reaches only the gateway that shows it: to clients, because a listener of it says so, or to backends, because it does itself.
 */
export function viewOf(node: ProxyNode, snapshots: () => Snapshots | undefined): ResourceView {
  const listeners = (): ReturnType<Snapshots['listeners']['get']> =>
    node.role === 'gateway' ? snapshots()?.listeners.get(`${node.namespace}/${node.name}`) : undefined;

  const showsToClients = (certificate: string): boolean => listeners()?.some(({ sections }) => sections.some(({ certificates }) => certificates?.includes(certificate))) === true;
  const showsToBackends = ({ clientCertificates }: Snapshots, certificate: string): boolean =>
    node.role === 'gateway' && clientCertificates.get(`${node.namespace}/${node.name}`) === certificate;
  /** The variant of a Backend that another Gateway uses. */
  const isForeign = (backend: string): boolean => {
    const owner = gatewayOfVariant(backend);
    return owner !== undefined && (node.role !== 'gateway' || owner !== `${node.namespace}/${node.name}`);
  };

  const lookup = (current: Snapshots, type: ResourceKind, name: string): Resource | undefined => {
    switch (type) {
      case 'Listener':
        return listeners()?.find((listener) => listener.name === name);
      case 'Destination':
        return node.role === 'sidecar' ? destination(current, node.namespace, name) : undefined;
      case 'RouteTable':
        return seesTable(node, name) ? current.routeTable(name) : undefined;
      case 'StreamTable':
        return seesTable(node, name) ? current.streamTable(name) : undefined;
      case 'Certificate':
        return showsToClients(name) || showsToBackends(current, name) ? current.certificate(name) : undefined;
      case 'Backend':
        return isForeign(name) ? undefined : current.backend(name);
      case 'Endpoints':
        return isForeign(name) ? undefined : current.endpoints(name);
    }
  };

  return {
    find: (type, name) => {
      const current = snapshots();
      const resource = current === undefined ? undefined : lookup(current, type, name);
      return resource === undefined ? undefined : publish(resource);
    },
    own: (type) => (type === 'Listener' ? (listeners()?.map(({ name }) => name) ?? []) : []),
  };
}

/** Whether the table of that name, if there is one, is a proxy's to see. */
export function seesTable({ role, namespace, name: owner }: ProxyNode, name: string): boolean {
  return name.startsWith(role === 'gateway' ? `listener/${namespace}/${owner}/` : `service/${namespace}/`);
}

function destination(snapshots: Snapshots, clientNamespace: string, name: string): Resource | undefined {
  const colon = name.lastIndexOf(':');
  const port = Number(name.slice(colon + 1));
  // Names come from what workloads dial.
  if (colon <= 0 || /[\s/]/.test(name) || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return snapshots.destination(clientNamespace, name.slice(0, colon), port);
}
