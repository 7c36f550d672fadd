import { gatewayLabel } from '#controller';
import { injectedLabel } from '#injector';
import type { AnyObject } from '../cluster/list.ts';
import { proxyId } from '../cluster/controllers.ts';
import type { Observer } from './observer.ts';
import { some } from '../table.ts';
import { failed, ok, skipped, warning, type Check, type Outcome } from './types.ts';

async function controllers(observer: Observer): Promise<Awaited<ReturnType<Observer['controllers']>>> {
  return (await observer.controllers()).filter(({ fault }) => fault === undefined);
}

async function askedOutcome(observer: Observer): Promise<Outcome> {
  // `helm test` runs with few rights, and this one is much: it reaches every port of the control plane's Pods.
  if (!(await observer.may('create', { group: '', resource: 'pods', subresource: 'portforward', namespace: observer.controlPlane }))) return skipped('you may not forward ports of its Pods');
  const all = await observer.controllers();
  const faults = all.filter(({ fault }) => fault !== undefined);
  if (all.length === 0) return failed('none is running', `kubectl get pods -n ${observer.controlPlane}`);
  if (faults.length === 0) return ok(some(all.map(({ pod }) => pod)));
  const remedy = `kubectl auth can-i create pods/portforward -n ${observer.controlPlane}; kubectl logs -n ${observer.controlPlane} deployment/weft-controller`;
  return warning(`not asked: ${some(faults.map(({ pod, fault }) => `${pod} (${fault})`))}`, remedy);
}

/** Ready Pods with a proxy. */
async function readyPods(observer: Observer): Promise<readonly AnyObject[]> {
  const found = await Promise.all([`${injectedLabel}=true`, gatewayLabel].map((labelSelector) => observer.list('/api/v1/pods', { labelSelector, fieldSelector: 'status.phase=Running' })));
  return found.flat().filter(({ metadata, status }) => {
    const conditions = (status['conditions'] ?? []) as readonly { readonly type: string; readonly status: string }[];
    return metadata.deletionTimestamp === undefined && conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  });
}

async function connectedOutcome(observer: Observer): Promise<Outcome> {
  const pods = await readyPods(observer);
  if (pods.length === 0) return skipped('there are none');
  const asked = await observer.controllers();
  if (asked.some(({ fault }) => fault !== undefined) || asked.length === 0) return skipped('not every controller could be asked');
  const connected = new Set(asked.flatMap(({ proxies }) => proxies.map(({ id }) => id)));
  const missing = pods.map(({ metadata }) => proxyId(metadata)).filter((id) => !connected.has(id));
  if (missing.length === 0) return ok(`${pods.length} proxies`);
  return failed(`${some(missing)}: they serve what they last heard`, "kubectl logs of their container weft-proxy say why");
}

async function currentOutcome(observer: Observer): Promise<Outcome> {
  const proxies = (await controllers(observer)).flatMap((each) => each.proxies);
  if (proxies.length === 0) return skipped('none is connected');
  const behind = proxies.filter(({ current }) => !current).map(({ id }) => id);
  return behind.length === 0 ? ok(`${proxies.length} proxies`) : warning(`not yet: ${some(behind)}`, 'weft status shows the versions; ask again');
}

async function refusalsOutcome(observer: Observer): Promise<Outcome> {
  const proxies = (await controllers(observer)).flatMap((each) => each.proxies);
  if (proxies.length === 0) return skipped('none is connected');
  const refusals = proxies.flatMap(({ id, refused }) => refused.map(({ type, name, reason }) => `${id}: ${type} ${name}: ${reason}`));
  return refusals.length === 0 ? ok(`${proxies.length} proxies`) : failed(some(refusals, 3), 'weft status');
}

export const proxyChecks: readonly Check[] = [
  { id: 'controllers-asked', claim: 'each controller says what proxies it has', when: 'post', run: askedOutcome },
  { id: 'proxies-connected', claim: 'every proxy is connected to a controller', when: 'post', run: connectedOutcome },
  { id: 'proxies-current', claim: 'every proxy has acknowledged the newest configuration', when: 'post', run: currentOutcome },
  { id: 'proxies-refuse-nothing', claim: 'no proxy refuses a part of it', when: 'post', run: refusalsOutcome },
];
