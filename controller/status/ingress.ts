import { isAddress, type Ingress } from '#crds';
import type { Pace, Steps } from '#snapshot';
import { compareText } from '../cluster.ts';
import type { Graph } from '../graph/graph.ts';
import { ourIngresses } from '../graph/ingress/classes.ts';
import { certificatesOf, redirectsToHttps } from '../graph/ingress/gateway.ts';
import { controllerName, ingressGateway, redirectAnnotation } from '../names.ts';
import { problem, type Fault } from '../problems.ts';
import type { ObjectStatus, Problem } from '../types.ts';
import type { Reported } from './classes.ts';
import { statusOf } from './conditions.ts';

/** Where Ingresses can be reached, and what of them has no effect. What is wrong with their rules is a problem of the derived routes. */
export function* reportIngresses({ cluster, gateways }: Graph, pace: Pace): Steps<Reported> {
  const ingresses = ourIngresses(cluster.state);
  if (ingresses.length === 0) return { statuses: [], problems: [] };
  const key = `${ingressGateway.namespace}/${ingressGateway.name}`;
  const facts = gateways.get(key);
  const addresses = facts?.addresses ?? [];
  const statuses: ObjectStatus[] = [];
  const problems: Problem[] = [];
  for (const ingress of ingresses) {
    statuses.push(ingressStatus(ingress, addresses));
    if (facts === undefined) problems.push(problem('error', ingress, { reason: 'GatewayNotOurs', path: ['spec'], message: `Gateway ${key} is another controller's, so Ingresses are not served` }));
    problems.push(...idleAnnotations(ingress), ...idleRedirect(ingress));
    if (pace.spend(itemsPerIngress)) yield;
  }
  return { statuses, problems: [...problems, ...idleCertificates(ingresses, cluster.state.secrets), ...idleParameters(cluster)] };
}

/** What an Ingress counts, in items of a step. */
const itemsPerIngress = 3;

function ingressStatus(ingress: Ingress, addresses: readonly string[]): ObjectStatus {
  const entries = addresses.map((value) => (isAddress(value) ? { ip: value } : { hostname: value }));
  return statusOf(ingress, { loadBalancer: { ingress: entries } });
}

/** Annotations by which other implementations are told what Ingress itself has no field for. */
const foreign = /^([^/]+\.)?(ingress\.kubernetes\.io|konghq\.com|haproxy\.org|traefik\.io)\//;

function idleAnnotations(ingress: Ingress): readonly Problem[] {
  return Object.keys(ingress.metadata.annotations ?? {})
    .filter((name) => foreign.test(name))
    .sort(compareText)
    .map((name) => problem('warning', ingress, { reason: 'UnsupportedValue', path: ['metadata', 'annotations', name], message: `annotation ${name} has no effect here; what it asks for may be a filter of an HTTPRoute` }));
}

function idleRedirect(ingress: Ingress): readonly Problem[] {
  const value = ingress.metadata.annotations?.[redirectAnnotation];
  const hosts = [...ingress.spec.rules.map(({ host = '' }) => host), ...(ingress.spec.defaultBackend === undefined ? [] : [''])];
  if (value === undefined || value === 'false' || (value === 'true' && hosts.some((host) => redirectsToHttps(ingress, host)))) return [];
  const message = value === 'true' ? 'no host of its rules has a certificate in spec.tls, so there is no HTTPS to send requests to' : `${JSON.stringify(value)} is neither "true" nor "false", so nothing is redirected`;
  return [problem('warning', ingress, { reason: 'UnsupportedValue', path: ['metadata', 'annotations', redirectAnnotation], message })];
}

/** Of several certificates for one host one is in force; the Ingresses with the others hear of it. */
function idleCertificates(ingresses: readonly Ingress[], secrets: ReadonlyMap<string, unknown>): readonly Problem[] {
  const all = ingresses.flatMap(certificatesOf);
  const byHost = new Map([...Map.groupBy(all, ({ host }) => host)].map(([host, rivals]) => [host, rivals.find((each) => secrets.has(`${each.ingress.metadata.namespace}/${each.secret}`)) ?? rivals[0]!]));
  const idle = all.flatMap(({ host, ingress, secret, path }): Problem[] => {
    const inForce = byHost.get(host)!;
    const same = inForce.ingress.metadata.namespace === ingress.metadata.namespace && inForce.secret === secret;
    if (same) return [];
    const owner = inForce.ingress.metadata;
    return [problem('warning', ingress, { reason: 'CertificateNotUsed', path, message: `host ${host === '' ? '*' : host} has the certificate of Ingress ${owner.namespace}/${owner.name} (Secret ${owner.namespace}/${inForce.secret}), which is older` })];
  });
  const unnamed = ingresses.flatMap((ingress) =>
    ingress.spec.tls.flatMap(({ secretName = '' }, index): Problem[] => {
      const fault: Fault = { reason: 'UnsupportedValue', path: ['spec', 'tls', index], message: 'without secretName there is no certificate to serve; these hosts get none from this entry' };
      return secretName === '' ? [problem('warning', ingress, fault)] : [];
    }),
  );
  return [...idle, ...unnamed];
}

function idleParameters({ state }: Graph['cluster']): readonly Problem[] {
  return [...state.ingressClasses.values()].flatMap((ingressClass): Problem[] => {
    if (ingressClass.spec.controller !== controllerName || ingressClass.spec.parameters === undefined) return [];
    return [problem('warning', ingressClass, { reason: 'UnsupportedValue', path: ['spec', 'parameters'], message: `parameters have no effect; Gateway ${ingressGateway.namespace}/${ingressGateway.name} says what Ingresses share` })];
  });
}
