import type { ObjectStatus } from '#controller';
import type { AccessLog, SocketMode, Tracer } from '#proxy';
import type { MeshProblem } from './problems.ts';

export interface MeshOptions {
  /** YAML or JSON texts, many documents each: what a cluster would be given. */
  readonly manifests?: string | readonly string[];
  /** Files and folders of manifests, read and watched: a change takes effect by itself. */
  readonly files?: readonly string[];
  /** Added to every port that gateways and sidecars bind; 0 unless set. */
  readonly portOffset?: number;
  /** The address of the first Gateway, 127.0.0.1 unless set; further Gateways count up from it. IPv4 or IPv6. Lets meshes run side by side. */
  readonly loopback?: string;
  /** `raw`: sockets are read and written by the handles behind them, where that works; `public` unless set. */
  readonly socketIO?: SocketMode;
  readonly accessLog?: AccessLog;
  readonly tracer?: Tracer;
  /** How long a listener or proxy that goes may finish what it has in flight. Milliseconds; 30,000 unless set. */
  readonly drainMs?: number;
  /** For every problem that was not there before. */
  onProblem?(problem: MeshProblem): void;
  /** When an edit of the manifests is in force everywhere (or has been refused where it could not be). */
  onEdit?(edit: Edit): void;
  /** After every change of statuses, problems or addresses. */
  onChange?(): void;
}

export interface Edit {
  /** Objects that were added, changed or taken away: `HTTPRoute shop/cart`. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** From the moment the texts were read until all proxies had answered. Milliseconds. */
  readonly tookMs: number;
}

/** What a mesh takes from its process. */
export interface MeshEnvironment {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  wallClock(): number;
  /** 0 ≤ x < 1. */
  random(): number;
}

export interface GatewayAddress {
  /** The first, where it has several. */
  readonly address: string;
  /** The port that a listener (by name, or by the port of the spec) was bound to. Throws where it is not bound. */
  port(listener: string | number): number;
  /** Every bound port, of each of its addresses, with the port of the spec. */
  readonly ports: readonly { readonly address: string; readonly port: number; readonly bound: number; readonly listeners: readonly string[] }[];
}

export interface SidecarAddress {
  /** The Pod's IP. */
  readonly address: string;
  /** Where the HTTP proxy for the workload's outbound traffic listens. */
  readonly port: number;
}

/** A mesh in this process: controller, gateways and sidecars, which know each other by their streams alone. */
export interface Mesh {
  /** Puts these in the place of the manifests given before as text; fulfils when they are in force everywhere, or have been refused. */
  apply(manifests: string | readonly string[]): Promise<void>;
  /** Fulfils when every proxy has what the newest manifests say, or has refused it. Rejects after `timeoutMs` (10,000 unless given). */
  settled(timeoutMs?: number): Promise<void>;
  /** The status of every object, with the times of transitions. */
  statuses(): readonly ObjectStatus[];
  problems(): readonly MeshProblem[];
  /** Undefined where there is no such Gateway, or it serves nothing. */
  gateway(key: string): GatewayAddress | undefined;
  sidecar(key: string): SidecarAddress | undefined;
  /** Every gateway that runs, by `{namespace}/{name}`. */
  gateways(): ReadonlyMap<string, GatewayAddress>;
  sidecars(): ReadonlyMap<string, SidecarAddress>;
  /** In the format of Prometheus. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** A summary of what is in force; no secrets. */
  config(): unknown;
  /** Takes no more connections and finishes what is in flight for at most `ms` milliseconds; then everything is closed. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}
