import type { KubernetesObject } from '../object.ts';

/** Only the fields that a mesh reads. A field that Kubernetes gives a default is never optional; an absent list is empty. */

export interface Namespace extends KubernetesObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Namespace';
}

export interface Service extends KubernetesObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly spec: ServiceSpec;
  readonly status?: { readonly loadBalancer?: { readonly ingress: readonly { readonly ip?: string; readonly hostname?: string }[] } };
}

export interface ServiceSpec {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Absent or empty: the endpoints come from EndpointSlices that someone else wrote. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
  /** `None` for a headless Service. */
  readonly clusterIP?: string;
  readonly clusterIPs: readonly string[];
  /** The first is that of `clusterIP`. A cluster fills it in; empty in a manifest: that of the cluster, and the other one too where the policy wants it. */
  readonly ipFamilies: readonly ('IPv4' | 'IPv6')[];
  readonly ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  readonly externalIPs: readonly string[];
  readonly externalName?: string;
  readonly publishNotReadyAddresses: boolean;
}

export interface ServicePort {
  /** Empty where a Service has one port without a name. */
  readonly name: string;
  readonly port: number;
  /** A number, or the name of a container's port. The Service's port where none is written. */
  readonly targetPort: number | string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol?: string;
}

export interface EndpointSlice extends KubernetesObject {
  readonly apiVersion: 'discovery.k8s.io/v1';
  readonly kind: 'EndpointSlice';
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  /** Unknown readiness counts as ready, unknown serving as readiness (Kubernetes API reference). */
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: { readonly kind?: string; readonly namespace?: string; readonly name?: string; readonly uid?: string };
}

export interface SlicePort {
  /** Equal to the Service port's name. */
  readonly name: string;
  /** Absent: every port. */
  readonly port?: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol?: string;
}

export interface Pod extends KubernetesObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly spec: PodSpec;
  readonly status: PodStatus;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
  readonly hostNetwork: boolean;
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly ports: readonly ContainerPort[];
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly podIP?: string;
  readonly podIPs: readonly { readonly ip: string }[];
  readonly conditions: readonly { readonly type: string; readonly status: 'True' | 'False' | 'Unknown'; readonly reason?: string }[];
}

export interface Secret extends KubernetesObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly type: string;
  /** Base64. `stringData` is already merged in, as the API server does it. */
  readonly data: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubernetesObject {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly data: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryData: Readonly<Record<string, string>>;
}

/** Certificates of authorities for all namespaces (KEP-3257). */
export interface ClusterTrustBundle extends KubernetesObject {
  readonly apiVersion: 'certificates.k8s.io/v1beta1';
  readonly kind: 'ClusterTrustBundle';
  /** PEM. */
  readonly spec: { readonly signerName?: string; readonly trustBundle: string };
}

export interface Ingress extends KubernetesObject {
  readonly apiVersion: 'networking.k8s.io/v1';
  readonly kind: 'Ingress';
  readonly spec: IngressSpec;
}

export interface IngressSpec {
  readonly ingressClassName?: string;
  /** For requests that no rule of any Ingress matches. */
  readonly defaultBackend?: IngressBackend;
  readonly tls: readonly { readonly hosts: readonly string[]; readonly secretName?: string }[];
  readonly rules: readonly IngressRule[];
}

export interface IngressRule {
  /** Absent or empty: every host. `*.` stands for one label, unlike Gateway API's. */
  readonly host?: string;
  readonly http?: { readonly paths: readonly IngressPath[] };
}

export interface IngressPath {
  readonly path?: string;
  readonly pathType: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly backend: IngressBackend;
}

/** One of the two. */
export interface IngressBackend {
  readonly service?: { readonly name: string; /** One of the two. */ readonly port?: { readonly name?: string; readonly number?: number } };
  readonly resource?: { readonly apiGroup?: string; readonly kind: string; readonly name: string };
}

export interface IngressClass extends KubernetesObject {
  readonly apiVersion: 'networking.k8s.io/v1';
  readonly kind: 'IngressClass';
  readonly spec: { readonly controller: string; readonly parameters?: { readonly kind: string; readonly name: string } };
}

/** A Service of the cluster set (KEP-1645). Its endpoints are in EndpointSlices that a multi-cluster controller puts into each cluster. */
export interface ServiceImport extends KubernetesObject {
  readonly apiVersion: 'multicluster.x-k8s.io/v1alpha1';
  readonly kind: 'ServiceImport';
  readonly spec: {
    readonly type: 'ClusterSetIP' | 'Headless';
    readonly ips: readonly string[];
    readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: 'TCP' | 'UDP' | 'SCTP'; readonly appProtocol?: string }[];
  };
}
