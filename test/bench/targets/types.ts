import type { Certificates } from '../programs/certificates.ts';
import type { Program } from '../programs/program.ts';

/**
 * What the proxies are set up for. `plain`: HTTP/1.1. `routes`: 1,000 routes with retries, timeouts and a mirror at 1 %. `tls`: TLS in,
 * mTLS out. `terminate`: TLS in, plain out. `grpc`: HTTP/2 without TLS on both sides.
 */
export type Scenario = 'plain' | 'routes' | 'tls' | 'terminate' | 'grpc';

/** Weft with `WEFT_SOCKET_IO=raw`, measured beside itself. */
export const rawWeft = 'Weft, raw I/O';

export type PeerName = 'nginx' | 'HAProxy' | 'Envoy' | 'http-proxy' | 'undici' | 'node:tls' | typeof rawWeft;
export type TargetName = 'Weft' | PeerName;

/** Where the backend listens. */
export interface Backends {
  readonly http: number;
  /** Asks for a client certificate. */
  readonly tls: number;
  /** Undefined where nghttpd is not installed. */
  readonly grpc: number | undefined;
}

/** What a target is set up with. */
export interface Site {
  /** Its own. */
  readonly folder: string;
  readonly scenario: Scenario;
  readonly port: number;
  readonly backends: Backends;
  readonly certificates: Certificates;
}

/** A proxy that runs. */
export interface Target {
  readonly name: TargetName;
  readonly scenario: Scenario;
  readonly port: number;
  readonly program: Program;
  stop(): Promise<void>;
}

/** The hosts and paths of `routes`: a hundred services with ten prefixes each. */
export const routeHosts = Array.from({ length: 100 }, (_, index) => `service-${index}.shop.example`);
export const routePrefixes = Array.from({ length: 10 }, (_, index) => `/api/v1/part-${index}`);
