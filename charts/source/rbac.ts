import { stringify } from 'yaml';

/** One rule of RBAC and the reason for it. The chart's roles and docs/reference/rbac.md are generated from this list. */
export interface Rule {
  readonly apiGroup: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** Only objects of these names. */
  readonly names?: readonly string[];
  readonly why: string;
}

export interface RoleTable {
  /** Name of the ServiceAccount, the role and its binding. */
  readonly name: string;
  readonly component: string;
  readonly cluster: readonly Rule[];
  /** In the control plane's namespace only. */
  readonly own: readonly Rule[];
}

const gatewayKinds = ['gatewayclasses', 'gateways', 'listenersets', 'httproutes', 'grpcroutes', 'tlsroutes', 'tcproutes', 'udproutes', 'referencegrants', 'backendtlspolicies'];
const experimentalKinds = ['xmeshes', 'xbackendtrafficpolicies', 'xbackends'];
const policyKinds = ['retrypolicies', 'timeoutpolicies'];
const read = ['get', 'list', 'watch'];
const withStatus = (kinds: readonly string[]): readonly string[] => kinds.filter((kind) => kind !== 'referencegrants').map((kind) => `${kind}/status`);

export const roles: readonly RoleTable[] = [
  {
    name: 'weft-controller',
    component: 'controller',
    cluster: [
      { apiGroup: 'gateway.networking.k8s.io', resources: gatewayKinds, verbs: read, why: 'Gateway API: what is to be carried out' },
      { apiGroup: 'gateway.networking.k8s.io', resources: withStatus(gatewayKinds), verbs: ['patch'], why: 'status of these; the objects themselves are never written' },
      { apiGroup: 'gateway.networking.x-k8s.io', resources: experimentalKinds, verbs: read, why: "Gateway API's experimental kinds" },
      { apiGroup: 'gateway.networking.x-k8s.io', resources: withStatus(experimentalKinds), verbs: ['patch'], why: 'status of these' },
      { apiGroup: 'networking.k8s.io', resources: ['ingresses'], verbs: read, why: 'Ingresses of class weft' },
      { apiGroup: 'networking.k8s.io', resources: ['ingressclasses'], verbs: ['list', 'watch'], why: 'which Ingresses these are' },
      { apiGroup: 'networking.k8s.io', resources: ['ingresses/status'], verbs: ['patch'], why: 'the address at which they are served' },
      { apiGroup: 'multicluster.x-k8s.io', resources: ['serviceimports'], verbs: ['list', 'watch'], why: 'Services of the cluster set as backends and parents, where the cluster has that kind' },
      { apiGroup: 'policy.weft-mesh.io', resources: policyKinds, verbs: read, why: "Weft's policies" },
      { apiGroup: 'policy.weft-mesh.io', resources: withStatus(policyKinds), verbs: ['patch'], why: 'status of these' },
      { apiGroup: '', resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'], why: 'backends; who a proxy is (its Pod); labels of namespaces in allowedRoutes and for injection' },
      { apiGroup: 'discovery.k8s.io', resources: ['endpointslices'], verbs: ['list', 'watch'], why: 'where backends are' },
      {
        apiGroup: '',
        resources: ['secrets', 'configmaps'],
        verbs: ['list', 'watch'],
        why: 'certificates that a Gateway, a ListenerSet or an Ingress refers to, and authorities (`ca.crt`) that a Gateway or a BackendTLSPolicy refers to. Names can not be known when the chart is installed; the controller asks for one object by its name at a time (`fieldSelector: metadata.name`), and only for what a Gateway or Ingress of class weft, a ListenerSet that the Gateway lets in or a BackendTLSPolicy names, and ConfigMaps weft-ca and weft-refusals. To narrow it: bind the role to namespaces instead',
      },
      { apiGroup: 'certificates.k8s.io', resources: ['clustertrustbundles'], verbs: ['list', 'watch'], why: 'authorities that a Gateway or a BackendTLSPolicy refers to, one by its name at a time, where the cluster has that kind' },
      { apiGroup: '', resources: ['configmaps'], names: ['weft-ca'], verbs: ['create', 'patch'], why: "the authority's certificate, in every namespace with proxies" },
      { apiGroup: 'authentication.k8s.io', resources: ['tokenreviews'], verbs: ['create'], why: 'a proxy proves who it is by its service account token' },
      { apiGroup: '', resources: ['events'], verbs: ['create'], why: 'Events, such as on a Pod that should have a sidecar and has none' },
      { apiGroup: 'apps', resources: ['deployments'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'], why: 'the proxies of a Gateway' },
      { apiGroup: '', resources: ['services', 'serviceaccounts'], verbs: ['get', 'create', 'patch', 'delete'], why: 'address and identity of a Gateway' },
      { apiGroup: 'policy', resources: ['poddisruptionbudgets'], verbs: ['get', 'create', 'patch', 'delete'], why: 'a Gateway stays while nodes are emptied' },
    ],
    own: [
      { apiGroup: '', resources: ['secrets'], verbs: ['create'], why: 'the authority of the stream, made at the first start (a create can not be limited to a name)' },
      { apiGroup: '', resources: ['secrets'], names: ['weft-ca'], verbs: ['get', 'update'], why: 'the same, read by every replica, and replaced before it expires' },
      { apiGroup: '', resources: ['configmaps'], names: ['weft-refusals'], verbs: ['create', 'patch'], why: 'what proxies refuse is known to the replica that serves them; the one that writes status reads it here' },
      { apiGroup: 'coordination.k8s.io', resources: ['leases'], verbs: ['create'], why: 'election of the replica that writes status' },
      { apiGroup: 'coordination.k8s.io', resources: ['leases'], names: ['weft-controller'], verbs: ['get', 'update'], why: 'the same' },
    ],
  },
  {
    name: 'weft-injector',
    component: 'injector',
    cluster: [{ apiGroup: 'admissionregistration.k8s.io', resources: ['mutatingwebhookconfigurations'], names: ['weft-injector'], verbs: ['get', 'patch'], why: 'the caBundle of its own webhook' }],
    own: [
      { apiGroup: '', resources: ['secrets'], verbs: ['create'], why: 'its serving certificate, made at the first start (a create can not be limited to a name)' },
      { apiGroup: '', resources: ['secrets'], names: ['weft-injector-certificate'], verbs: ['get', 'update'], why: 'the same, shared by its replicas and rotated' },
    ],
  },
  {
    name: 'weft-check',
    component: 'check',
    cluster: [
      { apiGroup: 'apiextensions.k8s.io', resources: ['customresourcedefinitions'], verbs: ['list'], why: '`helm test` runs `weft check`, the end of an installation `weft check --ready`: are the CRDs there, of the right version and channel' },
      { apiGroup: 'admissionregistration.k8s.io', resources: ['mutatingwebhookconfigurations'], names: ['weft-injector'], verbs: ['get'], why: 'does the webhook trust the injector' },
      { apiGroup: 'gateway.networking.k8s.io', resources: ['gatewayclasses'], names: ['weft'], verbs: ['get'], why: 'is the class accepted' },
      { apiGroup: 'gateway.networking.x-k8s.io', resources: ['xmeshes'], names: ['weft'], verbs: ['get'], why: 'is the mesh accepted' },
      { apiGroup: 'gateway.networking.k8s.io', resources: ['gatewayclasses', 'gateways', 'httproutes'], verbs: ['list'], why: 'are Gateways programmed and routes accepted' },
      { apiGroup: 'policy.weft-mesh.io', resources: policyKinds, verbs: ['list'], why: 'are policies accepted' },
      { apiGroup: '', resources: ['pods', 'namespaces', 'nodes'], verbs: ['list'], why: 'which Pods should have a sidecar and have none; do the nodes know native sidecars' },
      { apiGroup: '', resources: ['configmaps'], names: ['weft-ca'], verbs: ['get'], why: "is the authority's certificate known where proxies are" },
    ],
    own: [
      { apiGroup: 'apps', resources: ['deployments'], verbs: ['get'], why: 'is the control plane up' },
      { apiGroup: 'discovery.k8s.io', resources: ['endpointslices'], verbs: ['list'], why: 'can it be reached' },
      { apiGroup: '', resources: ['services'], names: ['weft-injector'], verbs: ['get'], why: 'at which address is the injector to be reached' },
      { apiGroup: 'coordination.k8s.io', resources: ['leases'], names: ['weft-controller'], verbs: ['get'], why: 'does a controller lead' },
      { apiGroup: '', resources: ['configmaps'], names: ['weft-injection'], verbs: ['get'], why: 'which image new sidecars get' },
    ],
  },
];

function ruleOf({ apiGroup, resources, verbs, names }: Rule): object {
  return { apiGroups: [apiGroup], resources, ...(names === undefined ? {} : { resourceNames: names }), verbs };
}

/** The template with ServiceAccount, roles and bindings of one component. */
export function renderRole({ name, component, cluster, own }: RoleTable): string {
  const metadata = (namespaced: string): string => `metadata:\n  name: ${name}\n${namespaced}  labels:\n    {{- include "weft.labels" (dict "context" . "component" "${component}") | nindent 4 }}\n`;
  const inNamespace = '  namespace: {{ .Release.Namespace }}\n';
  const rules = (list: readonly Rule[]): string => `rules:\n${list.map((rule) => `  # ${rule.why}.\n${stringify([ruleOf(rule)], { lineWidth: 0 }).replaceAll(/^(?=.)/gm, '  ')}`).join('')}`;
  const binding = (kind: string): string => `roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ${kind}\n  name: ${name}\nsubjects:\n  - kind: ServiceAccount\n    name: ${name}\n    namespace: {{ .Release.Namespace }}\n`;
  const rbac = 'apiVersion: rbac.authorization.k8s.io/v1\n';
  return [
    `{{- /* Generated from charts/source/rbac.ts: change it there, then run npm run generate. */ -}}\napiVersion: v1\nkind: ServiceAccount\n${metadata(inNamespace)}automountServiceAccountToken: false\n`,
    `${rbac}kind: ClusterRole\n${metadata('')}${rules(cluster)}`,
    `${rbac}kind: ClusterRoleBinding\n${metadata('')}${binding('ClusterRole')}`,
    `${rbac}kind: Role\n${metadata(inNamespace)}${rules(own)}`,
    `${rbac}kind: RoleBinding\n${metadata(inNamespace)}${binding('Role')}`,
  ].join('---\n');
}

/** docs/reference/rbac.md. */
export function renderRbacReference(): string {
  const row = (where: string, { apiGroup, resources, names, verbs, why }: Rule): string =>
    `| ${where} | ${apiGroup === '' ? 'core' : apiGroup} | ${resources.join(', ')}${names === undefined ? '' : ` (named ${names.join(', ')})`} | ${verbs.join(', ')} | ${why} |`;
  const sections = roles.map(({ name, cluster, own }) =>
    [`## ${name}`, '', '| where | API group | resources | verbs | why |', '|---|---|---|---|---|', ...cluster.map((rule) => row('cluster', rule)), ...own.map((rule) => row("control plane's namespace", rule)), ''].join('\n'),
  );
  return ['# What the control plane may do', '', 'Generated from `charts/source/rbac.ts`, as are the roles of the chart. Sidecars have no access to the API server at all: not even', 'a token for it. Gateways neither.', '', ...sections].join('\n');
}
