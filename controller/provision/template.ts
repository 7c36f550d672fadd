import type { Gateway } from '#crds';
import { normalAddress, type Listener } from '#snapshot';
import { isReserved } from '../infrastructure.ts';
import { gatewayAnnotation, gatewayClassLabel, labelValue, gatewayNameLabel, managedByLabel, manager, objectName } from './names.ts';

export const ipFamilyPolicies = ['SingleStack', 'PreferDualStack', 'RequireDualStack'] as const;
export type IpFamilyPolicy = (typeof ipFamilyPolicies)[number];

/** What all gateways of an installation have in common. */
export interface ProvisionConfig {
  readonly image: string;
  readonly pullPolicy: string;
  /** Secrets for pulling the image, by their names in a Gateway's namespace. */
  readonly pullSecrets?: readonly string[];
  /** The controller's stream, name:port. */
  readonly controller: string;
  readonly logLevel: string;
  /** How its sockets are read and written. */
  readonly socketIO: 'public' | 'raw';
  /** Of the container. */
  readonly resources: Readonly<Record<string, unknown>>;
  /** Where traces go, and which share of those that begin here; absent: nowhere. */
  readonly tracing?: { readonly endpoint: string; readonly sample: number };
  /** Of a Gateway that is new; then whoever scales it owns the number. */
  readonly replicas: number;
  /** Of the Services. Absent: as the cluster has it, which is one family, and as many as it has for a Service that needs no load balancer. */
  readonly ipFamilyPolicy?: IpFamilyPolicy;
  /** Processes that share the ports of each Pod. */
  readonly workers: number;
  /** Whether the cluster's network brings an address to its nodes, so that a Service may take it as an external one. */
  isExternal(address: string): boolean;
}

/** A Kubernetes object as it is applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Readonly<Record<string, string>>; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

const proxyUid = 1371;
const adminPort = 15_020;
/** Requests in flight, slow ones among them, get this long; the senders need a moment of it to hear that the Pod goes. Seconds. */
const drainSeconds = 27;
const drainDelaySeconds = 5;
/** Kubernetes' own default: a namespace that is deleted waits for half of it before it looks again. */
const graceSeconds = 30;
const tokenSeconds = 3600;
/** For the last good snapshot of one process, and its successor while that is written. A Pod that has more is evicted. Mi. */
const stateMi = 64;
/** So long none of its Pods may get ready before its owner is told. An image may be large and a node busy. */
const progressSeconds = 120;

type Texts = Readonly<Record<string, string>>;

/**
 * Everything that a Gateway needs in a cluster, for server-side apply. `served` are its sockets as they are rendered: those of ListenerSets
 * stand nowhere else. Deterministic: the same Gateway, sockets and configuration give the same objects. `replicas` is not among the fields: `config.replicas` at first, then whatever `kubectl scale` or an autoscaler says.
 */
export function provision(gateway: Gateway, config: ProvisionConfig, served: readonly Listener[] = []): readonly Manifest[] {
  const ports = servicePorts(gateway, served);
  const { name, namespace } = gateway.metadata;
  const selector = { [gatewayNameLabel]: labelValue(name) };
  const labels: Texts = { ...allowed(gateway.spec.infrastructure?.labels), ...selector, [gatewayClassLabel]: labelValue(gateway.spec.gatewayClassName), [managedByLabel]: manager, 'app.kubernetes.io/name': 'weft-gateway' };
  const annotations: Texts = { ...allowed(gateway.spec.infrastructure?.annotations), [gatewayAnnotation]: name };
  const metadata = { name: objectName(name, gateway.spec.gatewayClassName), namespace, labels, annotations, ...ownersOf(gateway) };
  const podMetadata = { labels: { ...labels, 'weft-mesh.io/inject': 'disabled' }, annotations };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    // First, as its address takes longest.
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector, ports, ...addressing(gateway, config) } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: selector },
        progressDeadlineSeconds: progressSeconds,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: { metadata: podMetadata, spec: podSpec(gateway, config, { serviceAccount: metadata.name, selector, ports }) },
      },
    },
    // One at a time: with a single replica a node can still be emptied.
    { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: selector } } },
  ];
}

function allowed(texts: Texts = {}): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([key]) => !isReserved(key)));
}

/** The garbage collector removes what belongs to a Gateway that is gone. */
function ownersOf({ apiVersion, kind, metadata }: Gateway): object {
  // That for Ingresses is no object of the cluster unless somebody writes one.
  if (metadata.uid === undefined) return {};
  return { ownerReferences: [{ apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: false }] };
}

interface PodFacts {
  readonly serviceAccount: string;
  readonly selector: Texts;
  readonly ports: readonly ServicePort[];
}

function podSpec(gateway: Gateway, config: ProvisionConfig, { serviceAccount, selector, ports }: PodFacts): object {
  return {
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: graceSeconds,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: proxyUid,
      runAsGroup: proxyUid,
      fsGroup: proxyUid,
      seccompProfile: { type: 'RuntimeDefault' },
      // A safe one (Pod Security Standards, restricted): port 80 without a privilege, so that a container's ports are the listeners' own.
      sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
    },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: selector },
      // Else a rolling update would weigh the Pods that are about to go.
      matchLabelKeys: ['pod-template-hash'],
    })),
    ...(config.pullSecrets === undefined ? {} : { imagePullSecrets: config.pullSecrets.map((name) => ({ name })) }),
    containers: [container(gateway, config, freeAdminPort(ports))],
    volumes: [
      { name: 'weft-token', projected: { sources: [{ serviceAccountToken: { audience: 'weft-mesh.io', expirationSeconds: tokenSeconds, path: 'token' } }] } },
      // Not optional: the controller writes it into a namespace when that gets its first Gateway; a Pod that is faster waits for it.
      { name: 'weft-ca', configMap: { name: 'weft-ca' } },
      { name: 'weft-state', emptyDir: { sizeLimit: `${stateMi * config.workers}Mi` } },
    ],
  };
}

/** Names no listener's port: one that is added must not restart the Pods. */
function container(gateway: Gateway, config: ProvisionConfig, admin: number): object {
  const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return {
    name: 'gateway',
    image: config.image,
    imagePullPolicy: config.pullPolicy,
    args: ['/weft/gateway.js'],
    ports: [{ name: 'weft-admin', containerPort: admin, protocol: 'TCP' }],
    env: [
      field('POD_NAME', 'metadata.name'),
      field('POD_NAMESPACE', 'metadata.namespace'),
      field('POD_IPS', 'status.podIPs'),
      { name: 'WEFT_GATEWAY', value: gateway.metadata.name },
      { name: 'WEFT_CONTROLLER', value: config.controller },
      { name: 'WEFT_TOKEN_FILE', value: '/var/run/secrets/weft-mesh.io/token' },
      { name: 'WEFT_CA_FILE', value: '/var/run/config/weft-mesh.io/ca.crt' },
      { name: 'WEFT_STATE_DIR', value: '/var/lib/weft' },
      { name: 'WEFT_ADMIN_PORT', value: String(admin) },
      { name: 'WEFT_LOG_LEVEL', value: config.logLevel },
      { name: 'WEFT_DRAIN_SECONDS', value: String(drainSeconds) },
      { name: 'WEFT_DRAIN_DELAY_SECONDS', value: String(drainDelaySeconds) },
      ...(config.socketIO === 'public' ? [] : [{ name: 'WEFT_SOCKET_IO', value: config.socketIO }]),
      ...(config.workers === 1 ? [] : [{ name: 'WEFT_WORKERS', value: String(config.workers) }]),
      ...(config.tracing === undefined ? [] : [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: config.tracing.endpoint }, { name: 'WEFT_TRACE_SAMPLE', value: String(config.tracing.sample) }]),
    ],
    resources: config.resources,
    readinessProbe: { httpGet: { path: '/ready', port: 'weft-admin' }, periodSeconds: 1, failureThreshold: 2 },
    securityContext: { allowPrivilegeEscalation: false, privileged: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [
      { name: 'weft-token', mountPath: '/var/run/secrets/weft-mesh.io', readOnly: true },
      { name: 'weft-ca', mountPath: '/var/run/config/weft-mesh.io', readOnly: true },
      { name: 'weft-state', mountPath: '/var/lib/weft' },
    ],
  };
}

/** The usual one unless a listener has it. */
function freeAdminPort(ports: readonly ServicePort[]): number {
  const taken = new Set(ports.map(({ port }) => port));
  let port = adminPort;
  while (taken.has(port)) port += 1;
  return port;
}

interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: number;
  readonly protocol: 'TCP' | 'UDP';
}

/** One per distinct port and transport; a port with several listeners (hostnames) is one port of the Service. */
function servicePorts({ spec }: Gateway, served: readonly Listener[]): readonly ServicePort[] {
  const ports = new Map<string, ServicePort>();
  const rendered = served.map(({ port, sections }) => ({ port, protocol: sections[0]?.protocol ?? 'HTTP' }));
  for (const { protocol, port } of [...spec.listeners, ...rendered]) {
    const transport = protocol === 'UDP' ? 'UDP' : 'TCP';
    const key = `${transport} ${port}`;
    const word = /^[A-Z]{3,5}$/.test(protocol) ? protocol.toLowerCase() : transport.toLowerCase();
    if (!ports.has(key)) ports.set(key, { name: `${word}-${port}`, port, targetPort: port, protocol: transport });
  }
  return [...ports.values()].sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1));
}

/**
 * How the Gateway gets the addresses that it asks for. Those that whoever installed Weft has set aside become external ones of the Service.
 * Any other is asked of the load balancer, which takes one wish only; what came of it stands in the Service's status. Never just any address
 * as an external one: with these, who may write a Gateway could take over anybody's (CVE-2020-8554).
 */
function addressing({ spec }: Gateway, config: ProvisionConfig): object {
  const asked = (spec.addresses ?? []).flatMap(({ type, value }) => (type === 'IPAddress' && value !== undefined && value !== '' ? [normalAddress(value)] : []));
  const externalIPs = asked.filter((address) => config.isExternal(address));
  const wish = asked.find((address) => !config.isExternal(address));
  // kube-proxy takes traffic to addresses of the Service's own families only.
  if (externalIPs.length > 0 && wish === undefined) return { type: 'ClusterIP', ipFamilyPolicy: config.ipFamilyPolicy ?? 'PreferDualStack', externalIPs };
  return { type: 'LoadBalancer', ...(config.ipFamilyPolicy === undefined ? {} : { ipFamilyPolicy: config.ipFamilyPolicy }), ...(wish === undefined ? {} : { loadBalancerIP: wish }), ...(externalIPs.length === 0 ? {} : { externalIPs }) };
}
