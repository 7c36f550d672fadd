import type { GatewayListener } from '#crds';
import type { Fault } from '../../problems.ts';
import { isServedProtocol, objectOf, type ListenerOwner } from './listeners.ts';

interface Holder {
  readonly owner: ListenerOwner;
  readonly listener: GatewayListener;
}

/**
 * What is wrong between listeners of one object that no request can tell apart (GatewaySpec.listeners, "Distinct Listeners"): all of
 * them are refused, none wins. Listeners of protocols that are not served do not count. In the order of the listeners.
 */
export function conflictsAmong(listeners: readonly GatewayListener[]): readonly (readonly Fault[])[] {
  const ports = Map.groupBy(listeners.filter(({ protocol }) => isServedProtocol(protocol)), portOf);
  const sharing = new Map([...ports].map(([port, all]) => [port, { all, protocols: new Set(all.map(({ protocol }) => protocol)), byHostname: Map.groupBy(all, hostnameOf) }]));
  return listeners.map((own, index) => {
    const { all, protocols, byHostname } = sharing.get(portOf(own)) ?? {};
    if (all === undefined || all.length < 2 || !isServedProtocol(own.protocol)) return [];
    const strange = [...protocols!].filter((protocol) => !areTellable(own.protocol, protocol));
    const rivals = strange.length === 0 ? [] : all.filter((other) => other !== own && strange.includes(other.protocol));
    if (rivals.length > 0) return [protocolConflict(own, index, `listener ${names(rivals)}`)];
    const same = byHostname!.get(hostnameOf(own))!.filter((other) => other !== own);
    const odd = same.find((other) => other.protocol !== own.protocol);
    if (odd !== undefined) return [protocolConflict(own, index, `listener ${odd.name}, whose hostname is the same`)];
    return same.length === 0 ? [] : [hostnameConflict(index, `listener ${names(same)}`)];
  });
}

/**
 * Whether hostnames can tell connections for listeners of these protocols apart: HTTP by the Host of requests; HTTPS and TLS by the server
 * name, which comes first in both. TCP and UDP have nothing but the port.
 */
function areTellable(a: string, b: string): boolean {
  if (a === b) return a !== 'TCP' && a !== 'UDP';
  return (a === 'HTTPS' || a === 'TLS') && (b === 'HTTPS' || b === 'TLS');
}

/** The ports, protocols and hostnames that listeners of higher precedence have (ListenerSetSpec.listeners). */
export class Claims {
  /** By port and transport, then protocol, then hostname. */
  readonly #ports = new Map<string, Map<string, Map<string, Holder>>>();

  add(owner: ListenerOwner, listener: GatewayListener): void {
    if (!isServedProtocol(listener.protocol)) return;
    const protocols = this.#ports.get(portOf(listener)) ?? new Map<string, Map<string, Holder>>();
    const hostnames = protocols.get(listener.protocol) ?? new Map<string, Holder>();
    this.#ports.set(portOf(listener), protocols.set(listener.protocol, hostnames));
    if (!hostnames.has(hostnameOf(listener))) hostnames.set(hostnameOf(listener), { owner, listener });
  }

  /** Why the listener at this index has to give way; empty where it need not. */
  conflicts(owner: ListenerOwner, listener: GatewayListener, index: number): readonly Fault[] {
    const protocols = this.#ports.get(portOf(listener)) ?? new Map<string, Map<string, Holder>>();
    for (const [protocol, hostnames] of protocols) {
      const [first] = hostnames.values();
      if (first !== undefined && !areTellable(listener.protocol, protocol)) return [protocolConflict(listener, index, tellTo(owner, first))];
    }
    for (const [protocol, hostnames] of protocols) {
      const same = hostnames.get(hostnameOf(listener));
      if (same === undefined) continue;
      const rival = tellTo(owner, same);
      return [protocol === listener.protocol ? hostnameConflict(index, rival) : protocolConflict(listener, index, `${rival}, whose hostname is the same`)];
    }
    return [];
  }
}

/** The other listener, by no more than the owner may know: who may not read a namespace should not learn from it what is there. */
export function tellTo(reader: ListenerOwner, { owner, listener }: Holder): string {
  if (owner.set === undefined) return `listener ${listener.name} of the Gateway`;
  const { namespace, name } = owner.set.metadata;
  if (reader.set !== undefined && objectOf(reader).metadata.namespace !== namespace) return 'a listener of a ListenerSet in another namespace';
  return `listener ${listener.name} of ListenerSet ${namespace}/${name}`;
}

function protocolConflict(listener: GatewayListener, index: number, rival: string): Fault {
  const what = listener.protocol === 'TCP' || listener.protocol === 'UDP' ? `a listener of protocol ${listener.protocol} needs the port for itself, and ${listener.port} is also used` : `port ${listener.port} is also used with another protocol,`;
  return { reason: 'ProtocolConflict', path: ['spec', 'listeners', index, 'protocol'], message: `${what} by ${rival}` };
}

function hostnameConflict(index: number, rival: string): Fault {
  return { reason: 'HostnameConflict', path: ['spec', 'listeners', index, 'hostname'], message: `port and hostname are also those of ${rival}` };
}

/** UDP has ports of its own. */
function portOf({ port, protocol }: GatewayListener): string {
  return `${protocol === 'UDP' ? 'UDP' : 'TCP'} ${port}`;
}

function hostnameOf({ hostname }: GatewayListener): string {
  return (hostname ?? '').toLowerCase();
}

function names(listeners: readonly GatewayListener[]): string {
  return listeners.map(({ name }) => name).join(', ');
}
