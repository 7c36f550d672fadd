import type { Condition } from '#crds';
import type { Carried, PolicyPath, Problem, SettledPolicy } from '#policy';
import type { Backend, BackendTls, Certificate, Destination, Endpoints, Listener, ObjectRef, RouteTable, Steps, StreamTable } from '#snapshot';

export type { Problem };

/** Conditions leave translation without a time: the writer keeps the old one where the status did not change. */
export type ConditionDraft = Omit<Condition, 'lastTransitionTime'>;

/** The `status` of one object as it should be, with our entries only. */
export interface ObjectStatus {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Of the object that it was made of: another one may come by its name. Absent for one of a manifest. */
  readonly uid?: string;
  readonly status: Readonly<Record<string, unknown>>;
}

/** What surrounds the cluster state: the same translation serves a cluster and one machine. */
export interface Environment {
  /** Addresses given to a Gateway (`{namespace}/{name}`), as `normalAddress` has them; empty while there are none. */
  readonly gatewayAddresses: ReadonlyMap<string, readonly string[]>;
  /** Added to every bound port (`--port-offset`). */
  readonly portOffset: number;
  /** `any`: a gateway has a Pod of its own, and binds all addresses of that, whether or not the Gateway's are known yet. `address` unless set. */
  readonly bind?: 'address' | 'any';
  /** `elsewhere`: where nothing is written of any workload, that is no mistake. `here` unless set. */
  readonly workloads?: 'here' | 'elsewhere';
}

export interface Translation {
  readonly statuses: readonly ObjectStatus[];
  readonly problems: readonly Problem[];
  readonly snapshots: Snapshots;
  readonly paths: PathIndex;
}

/** All resources, by name. Destinations and mesh tables are made when asked for, then kept. */
export interface Snapshots {
  /** By `{namespace}/{gateway}`. */
  readonly listeners: ReadonlyMap<string, readonly Listener[]>;
  /** `host` as dialled, without port. Never undefined: what the mesh does not know passes through. */
  destination(clientNamespace: string, host: string, port: number): Destination;
  /** Every destination a client of the namespace can name, one per Service port (its full name). */
  destinations(clientNamespace: string): readonly Destination[];
  routeTable(name: string): RouteTable | undefined;
  /** Makes the same object in steps; `routeTable` has it at hand afterwards. */
  routeTableInSteps(name: string): Steps<RouteTable | undefined>;
  streamTable(name: string): StreamTable | undefined;
  backend(name: string): Backend | undefined;
  endpoints(name: string): Endpoints | undefined;
  certificate(name: string): Certificate | undefined;
  /** By `{namespace}/{gateway}`: the name of the Certificate that the Gateway shows to backends, where it shows one. */
  readonly clientCertificates: ReadonlyMap<string, string>;
}

/** One path a request can take, for which an effective policy was settled. */
export interface SettledPath {
  readonly via:
    | {
        readonly kind: 'gateway';
        readonly gateway: ObjectRef;
        /** The name of its section: `{namespace}/{ListenerSet}/{listener}` with `listenerSet`. */
        readonly listener: string;
        readonly listenerSet?: ObjectRef;
      }
    | { readonly kind: 'mesh'; readonly clientNamespace: string; readonly service: ObjectRef; readonly port: number };
  readonly route?: ObjectRef;
  readonly rule?: { readonly index: number; readonly name?: string };
  readonly backend?: ObjectRef & { readonly port: number };
  /** Name of its Backend resource. */
  readonly resource?: string;
  readonly carries: Carried;
  readonly path: PolicyPath;
  readonly settled: SettledPolicy;
}

/** Every path of the graph, for `weft policy` and `weft policy affects`. */
export interface PathIndex {
  /** Through Gateways, and for each client namespace that exists through Services. */
  all(): readonly SettledPath[];
  /** Those of a workload in the namespace, whether or not any object names that namespace. */
  from(clientNamespace: string): readonly SettledPath[];
  /** The BackendTLSPolicy of a Backend, by the Backend's name as rules have it. */
  tlsTo(backend: string): BackendTlsOrigin | undefined;
}

/** Which policy stands on a Backend, and what comes of it. */
export interface BackendTlsOrigin {
  readonly policy: ObjectRef;
  /** Absent where the policy does not act: in the mesh, and where a Gateway passes on what it does not read. */
  readonly tls?: BackendTls;
}
