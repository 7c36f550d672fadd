import type { ProxyNode } from '#snapshot';
import { gatewayGroup } from '../names.ts';
import type { Bearer } from './tokens.ts';

/** On the Pods of a gateway: the Gateway whose listeners they serve (GEP-1762). */
export const gatewayLabel = `${gatewayGroup}/gateway-name`;

/** What is known of a proxy's Pod. */
export interface PodFacts {
  readonly uid: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Who a proxy is: told by its Pod, of which its token is the proof, never by what it says of itself. A Pod labelled with a Gateway's
 * name is a gateway, of that name and its own namespace; any other one a sidecar. A text says why it is neither.
 */
export function nodeOf({ namespace, pod, podUid }: Bearer, facts: PodFacts | undefined, instance: string | undefined): ProxyNode | string {
  if (facts === undefined) return `Pod ${namespace}/${pod} is not known`;
  if (facts.uid !== podUid) return `Pod ${namespace}/${pod} is another one than that of the token`;
  const gateway = facts.labels[gatewayLabel];
  const suffix = instance === undefined ? '' : `/${instance}`;
  if (gateway === undefined || gateway === '') return { id: `sidecar/${namespace}/${pod}${suffix}`, role: 'sidecar', namespace, name: pod };
  return { id: `gateway/${namespace}/${gateway}/${pod}${suffix}`, role: 'gateway', namespace, name: gateway };
}
