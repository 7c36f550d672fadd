import { objectKey, type ClusterState } from '#crds';
import { normalAddress } from '#snapshot';
import { withBuiltIns } from '../built-ins.ts';
import { controllerName } from '../names.ts';
import { managedByLabel, manager, objectName } from './names.ts';

/** Addresses that Services of our Gateways have or were given, by `{namespace}/{name}` of the Gateway: IPs, or names where the load balancer has names. */
export function provisionedAddresses(state: ClusterState): ReadonlyMap<string, readonly string[]> {
  const { gatewayClasses, gateways } = withBuiltIns(state);
  const addresses = new Map<string, readonly string[]>();
  for (const gateway of gateways.values()) {
    const { namespace, name } = gateway.metadata;
    if (gatewayClasses.get(gateway.spec.gatewayClassName)?.spec.controllerName !== controllerName) continue;
    const service = state.services.get(`${namespace}/${objectName(name, gateway.spec.gatewayClassName)}`);
    if (service?.metadata.labels?.[managedByLabel] !== manager) continue;
    const balanced = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
    const given = [...new Set([...service.spec.externalIPs, ...balanced].map(normalAddress))];
    if (given.length > 0) addresses.set(objectKey(gateway), given);
  }
  return addresses;
}
