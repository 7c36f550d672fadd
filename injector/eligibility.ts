import type { InjectionConfig } from './configuration.ts';
import { initContainer, injectedLabel, injectLabel, ports, proxyContainer, proxyUid, systemNamespaces } from './names.ts';
import type { ContainerFacts, NamespaceFacts, PodFacts } from './patch/types.ts';
import { volumes } from './patch/volumes.ts';

export type Eligibility =
  | { readonly kind: 'inject' }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'refuse'; readonly message: string };

/** Whether a Pod gets a sidecar. The Pod's own label counts, then the namespace's. What can't have one though it should is refused. */
export function eligibilityOf(pod: PodFacts, namespace: NamespaceFacts, { rootNamespace }: Pick<InjectionConfig, 'rootNamespace'>): Eligibility {
  if (namespace.name === rootNamespace || systemNamespaces.includes(namespace.name)) return { kind: 'skip', reason: `Pods of namespace ${namespace.name} get no sidecar` };
  const own = pod.metadata.labels[injectLabel];
  if (own !== undefined && own !== 'enabled' && own !== 'disabled') return { kind: 'refuse', message: `label ${injectLabel}: ${JSON.stringify(own)} must be enabled or disabled` };
  const word = own ?? namespace.labels?.[injectLabel];
  if (word !== 'enabled') return { kind: 'skip', reason: own === undefined ? `namespace ${namespace.name} has no label ${injectLabel}=enabled` : `the Pod has the label ${injectLabel}=disabled` };
  // The kubelet's own picture of a Pod from a file on the node: nothing that is changed here would have an effect.
  if (pod.metadata.annotations['kubernetes.io/config.mirror'] !== undefined) return { kind: 'skip', reason: 'a static Pod of the node gets no sidecar' };
  const fault = obstacle(pod);
  return fault === undefined ? { kind: 'inject' } : { kind: 'refuse', message: `${fault}. To run the Pod without a sidecar, give it the label ${injectLabel}=disabled` };
}

function obstacle({ metadata, spec }: PodFacts): string | undefined {
  if (spec.hostNetwork) return "hostNetwork: a Pod on its node's network can't have a sidecar, which would take over the traffic of the node";
  if (spec.os.name !== 'linux') return `os.name: a sidecar needs linux, not ${JSON.stringify(spec.os.name)}`;
  const injected = metadata.labels[injectedLabel] === 'true';
  const theirs = [...spec.containers, ...spec.initContainers.filter(({ name }) => !(injected && isOurs(name)))];
  for (const container of theirs) {
    const fault = clash(container);
    if (fault !== undefined) return `container ${container.name}: ${fault}`;
  }
  // Ours run as users of their own; any other container without a user gets the Pod's.
  if (spec.securityContext.runAsUser === proxyUid && theirs.some(({ securityContext }) => securityContext.runAsUser === undefined)) return `securityContext.runAsUser: ${ownUser}`;
  const volume = injected ? undefined : spec.volumes.find(({ name }) => volumes.some((ours) => ours.name === name));
  return volume === undefined ? undefined : `volume ${volume.name}: that name is the sidecar's`;
}

const ownUser = `user ${proxyUid} is the sidecar's, whose traffic is not taken over; choose another`;

function isOurs(name: string): boolean {
  return name === initContainer || name === proxyContainer;
}

function clash({ name, ports: declared, securityContext }: ContainerFacts): string | undefined {
  if (isOurs(name)) return "that name is the sidecar's";
  if (securityContext.runAsUser === proxyUid) return ownUser;
  const taken: readonly number[] = Object.values(ports);
  const port = declared.find(({ containerPort, protocol }) => protocol === 'TCP' && taken.includes(containerPort));
  return port === undefined ? undefined : `port ${port.containerPort} is the sidecar's; it takes ${taken.join(', ')}`;
}
