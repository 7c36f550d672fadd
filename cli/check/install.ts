import { reasonOf, ApiError } from '#controller';
import { messageOf } from '../cluster/connect.ts';
import type { Observer } from './observer.ts';
import { some } from '../table.ts';
import { failed, ok, skipped, warning, type Check } from './types.ts';

/** Sidecars are init containers that go on running (KEP-753), on by default from 1.29. */
const oldestMinor = 29;

/** `1.36` of `v1.36.2`; NaN where there is none. */
function minorOf(version: string): number {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return major === '1' ? Number(minor) : Number.NaN;
}

export const serverChecks: readonly Check[] = [
  {
    id: 'api-server',
    claim: 'the API server answers',
    when: 'always',
    run: async (observer) => {
      try {
        return ok(`${observer.server} runs ${String((await observer.fields('/version'))['gitVersion'])}`);
      } catch (error) {
        return failed(`${observer.server}: ${error instanceof ApiError ? `${error.status} ${reasonOf(error.message)}` : messageOf(error)}`, 'see that kubectl reaches the cluster: kubectl version');
      }
    },
  },
  {
    id: 'api-server-version',
    claim: `Kubernetes is 1.${oldestMinor} or later`,
    when: 'always',
    run: async (observer) => {
      const version = String((await observer.fields('/version'))['gitVersion']);
      if (minorOf(version) >= oldestMinor) return ok(version);
      return failed(`it is ${version}, which has no native sidecars`, `upgrade the control plane to 1.${oldestMinor} or later`);
    },
  },
  {
    id: 'node-versions',
    claim: `every node runs kubelet 1.${oldestMinor} or later`,
    when: 'always',
    run: async (observer) => {
      const nodes = await observer.list('/api/v1/nodes');
      const old = nodes.filter(({ status }) => !(minorOf(kubeletOf(status)) >= oldestMinor));
      if (old.length === 0) return ok(`${nodes.length} nodes`);
      return failed(`older: ${some(old.map(({ metadata, status }) => `${metadata.name} (${kubeletOf(status)})`))}`, 'upgrade these nodes, or keep injected Pods off them');
    },
  },
  {
    id: 'node-platforms',
    claim: 'there are Linux nodes for injected Pods',
    when: 'always',
    run: async (observer) => {
      const nodes = await observer.list('/api/v1/nodes');
      const linux = nodes.filter(({ metadata }) => metadata.labels['kubernetes.io/os'] === 'linux');
      if (linux.length === nodes.length && linux.length > 0) return ok(`${linux.length} of linux`);
      if (linux.length === 0) return failed('no node has the label kubernetes.io/os=linux', 'add Linux nodes');
      return warning(`${nodes.length - linux.length} nodes run another system; Pods there can have no sidecar`, 'label such Pods weft-mesh.io/inject=disabled');
    },
  },
];

function kubeletOf(status: Readonly<Record<string, unknown>>): string {
  return String((status['nodeInfo'] as { readonly kubeletVersion?: string } | undefined)?.kubeletVersion ?? '');
}

interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  /** In the control plane's namespace only. */
  readonly own?: true;
}

async function mayAll(observer: Observer, rights: readonly Right[]): Promise<readonly string[]> {
  const answers = await Promise.all(rights.map(async ({ verb, group, resource, own }) => ((await observer.may(verb, { group, resource, ...(own === undefined ? {} : { namespace: observer.controlPlane }) })) ? [] : [`${verb} ${resource}`])));
  return answers.flat();
}

function rightsCheck(id: string, claim: string, rights: readonly Right[]): Check {
  return {
    id,
    claim,
    when: 'pre',
    run: async (observer) => {
      const denied = await mayAll(observer, rights);
      if (denied.length === 0) return ok(some(rights.map(({ verb, resource }) => `${verb} ${resource}`), 20));
      return failed(`not allowed: ${denied.join(', ')}`, 'install as a cluster administrator (ClusterRole cluster-admin), or have these rights given to you');
    },
  };
}

const makeAndChange = (group: string, ...resources: readonly string[]): readonly Right[] => resources.flatMap((resource) => ['create', 'patch', 'delete'].map((verb) => ({ verb, group, resource })));

export const installChecks: readonly Check[] = [
  rightsCheck('may-install-crds', 'you may install the CRDs of policies', makeAndChange('apiextensions.k8s.io', 'customresourcedefinitions')),
  rightsCheck('may-install-roles', 'you may install the roles', [
    ...makeAndChange('rbac.authorization.k8s.io', 'clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'),
    // The API server lets nobody give away rights that he does not have himself.
    { verb: 'escalate', group: 'rbac.authorization.k8s.io', resource: 'clusterroles' },
    { verb: 'bind', group: 'rbac.authorization.k8s.io', resource: 'clusterroles' },
  ]),
  rightsCheck('may-install-webhook', 'you may install the webhook', makeAndChange('admissionregistration.k8s.io', 'mutatingwebhookconfigurations')),
  rightsCheck('may-install-classes', 'you may create GatewayClass and XMesh', [...makeAndChange('gateway.networking.k8s.io', 'gatewayclasses'), ...makeAndChange('gateway.networking.x-k8s.io', 'xmeshes')]),
  rightsCheck('may-install-workloads', 'you may install controller and injector', [
    { verb: 'create', group: '', resource: 'namespaces' },
    ...(
      [
        ['apps', 'deployments'],
        ['', 'services'],
        ['', 'serviceaccounts'],
        ['', 'configmaps'],
        ['', 'secrets'],
        ['policy', 'poddisruptionbudgets'],
        ['networking.k8s.io', 'networkpolicies'],
      ] as const
    ).map(([group, resource]): Right => ({ verb: 'create', group, resource, own: true })),
  ]),
  {
    id: 'no-other-control-plane',
    claim: 'no Weft is installed in another namespace',
    when: 'always',
    run: async (observer) => {
      const webhook = await observer.find('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft-injector');
      if (webhook === undefined) return ok('there is none');
      const webhooks = (webhook.raw['webhooks'] ?? []) as readonly { readonly clientConfig?: { readonly service?: { readonly namespace?: string } } }[];
      const namespace = webhooks[0]?.clientConfig?.service?.namespace;
      if (namespace === observer.controlPlane) return ok(`it is in ${observer.controlPlane}`);
      return failed(`one is in ${namespace}`, `there can be one in a cluster: helm uninstall weft -n ${namespace}, or name it: --control-plane ${namespace}`);
    },
  },
  {
    id: 'control-plane-security',
    claim: "the control plane's namespace lets its Pods run",
    when: 'pre',
    run: async (observer) => {
      const namespace = await observer.find(`/api/v1/namespaces/${observer.controlPlane}`);
      if (namespace === undefined) return skipped(`namespace ${observer.controlPlane} is not there yet`);
      if (namespace.metadata.deletionTimestamp !== undefined) return failed(`namespace ${observer.controlPlane} is being deleted`, 'wait until it is gone');
      return ok('they meet the strictest PodSecurity standard, restricted');
    },
  },
];
