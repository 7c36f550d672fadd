import type { Client } from '../connection/sides.ts';
import type { RequestSettings } from '../configuration/tables.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { TimeoutSettings } from '../retry/index.ts';

/** What differs between a gateway's listener and a sidecar's outbound proxy. */
export interface Binding {
  /** `edge`: clients are strangers, so what they say about themselves is replaced. `mesh`: they are the workload. */
  readonly role: 'edge' | 'mesh';
  readonly scheme: 'http' | 'https';
  /** Proxies in front of an edge whose `x-forwarded-*` and `x-request-id` are believed; 0: the client's own are replaced. */
  readonly trustedHops: number;
  /** As bound. */
  readonly port: number;
  /** No longer accepts; responses ask for the end of the connection. */
  readonly closing: boolean;
  /** Of requests that get no route. */
  readonly unrouted: RequestSettings;
  /** Of a connection before its first request. */
  initialTimeouts(client: Client): TimeoutSettings;
  /** Says where a request goes: calls one of `Exchange`'s `route`, `forward`, `connect`, `answer` and `fail`, now or later. */
  begin(exchange: Exchange): void;
  closed(client: Client): void;
  /** A client's connection turned out to be HTTP/2: another object stands for it from now on. */
  replaced(before: Client, after: Client): void;
}
