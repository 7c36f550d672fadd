import type { Resource, ResourceKind } from '../resources.ts';

/**
 * The stream between controller and proxy. Messages are those of the xDS protocol's delta discovery
 * (`DeltaDiscoveryRequest`, `DeltaDiscoveryResponse`) with our own resource types.
 */

export interface ProxyNode {
  /** Unique among connected proxies: `gateway/{namespace}/{name}/{instance}` or `sidecar/{namespace}/{pod}`. */
  readonly id: string;
  readonly role: 'gateway' | 'sidecar';
  /** A gateway's Gateway, a sidecar's Pod. */
  readonly namespace: string;
  readonly name: string;
}

export interface DeltaRequest {
  /** On the first request of a stream. */
  readonly node?: ProxyNode;
  readonly type: ResourceKind;
  /** Names to add to the subscription; `*` subscribes to all that is the proxy's own (a gateway's Listeners). */
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** On a reconnect: the versions that the proxy still holds, by name. */
  readonly initialVersions?: Readonly<Record<string, string>>;
  /** The response that this acknowledges, or refuses where `error` is set. */
  readonly nonce?: string;
  readonly error?: string;
  /** Every resource of the type that the proxy refuses or can't carry out at present, with the reason, by name. */
  readonly rejected?: Readonly<Record<string, string>>;
}

export interface DeltaResponse {
  readonly type: ResourceKind;
  readonly nonce: string;
  readonly resources: readonly VersionedResource[];
  readonly removed: readonly string[];
}

export interface VersionedResource {
  readonly name: string;
  /** Content hash: equal content, equal version. */
  readonly version: string;
  readonly resource: Resource;
}

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** A message of the controller: as it was sent, or, where it was read on its way already, what it says. */
export type Received = string | Decoded<DeltaResponse>;

/** A proxy's end of a stream. */
export type ControllerChannel = Channel<Received>;

/** One end of a stream: carries encoded messages in order, reliably. In process for `weft up`, over TLS in a cluster. */
export interface Channel<Message = string> {
  send(message: string): void;
  onMessage(listener: (message: Message) => void): void;
  onClose(listener: () => void): void;
  close(): void;
}

/** A channel that gives a message as it comes. */
export interface PiecedChannel extends Channel {
  /** In place of `onMessage`: the text of one message after the other, each in one piece or more. */
  onPieces(listener: (piece: string, place: 'more follow' | 'last') => void): void;
}
