/** A Kubernetes object as it came; what we don't read is passed on as it is. */
export type Json = Readonly<Record<string, unknown>>;

/** RFC 6902. `add` of a member that is there replaces it. */
export interface Operation {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

export interface NamespaceFacts {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What becomes of a Pod. */
export type Injection =
  | { readonly kind: 'patch'; readonly operations: readonly Operation[] }
  /** The Pod goes on as it is. */
  | { readonly kind: 'skip'; readonly reason: string }
  /** The Pod must not be made; the message says what to do. */
  | { readonly kind: 'refuse'; readonly message: string };

/** What we read of a Pod. */
export interface PodFacts {
  readonly metadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly hostNetwork: boolean;
    readonly terminationGracePeriodSeconds: number;
    readonly restartPolicy: string;
    readonly securityContext: { readonly runAsUser?: number };
    readonly os: { readonly name: string };
    readonly containers: readonly ContainerFacts[];
    readonly initContainers: readonly ContainerFacts[];
    readonly volumes: readonly { readonly name: string }[];
  };
}

export interface ContainerFacts {
  readonly name: string;
  readonly ports: readonly { readonly containerPort: number; readonly protocol: string }[];
  readonly securityContext: { readonly runAsUser?: number };
  readonly lifecycle?: { readonly preStop?: object };
}
