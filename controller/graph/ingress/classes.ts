import type { ClusterState, Ingress, IngressClass } from '#crds';
import { byAge, sortedByAge } from '../../cluster.ts';
import { controllerName, ingressClassName } from '../../names.ts';

/** The annotation from before `spec.ingressClassName`, which older manifests still have. */
const classAnnotation = 'kubernetes.io/ingress.class';
const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';

/** The class that acts where nobody wrote IngressClass `weft` down. */
export const builtInIngressClass: IngressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: ingressClassName, namespace: '' },
  spec: { controller: controllerName },
};

/** The Ingresses that are ours to serve, oldest first. */
export function ourIngresses({ ingresses, ingressClasses }: Pick<ClusterState, 'ingresses' | 'ingressClasses'>): readonly Ingress[] {
  if (ingresses.size === 0) return [];
  const byDefault = defaultClass(ingressClasses);
  return sortedByAge([...ingresses.values()].filter((ingress) => isOurs(ingress, ingressClasses, byDefault)));
}

function isOurs({ metadata, spec }: Ingress, classes: ClusterState['ingressClasses'], byDefault: IngressClass | undefined): boolean {
  const named = spec.ingressClassName ?? metadata.annotations?.[classAnnotation];
  const found = named === undefined ? byDefault : (classes.get(named) ?? (named === ingressClassName ? builtInIngressClass : undefined));
  return found?.spec.controller === controllerName;
}

/** Of several the newest, as the API server has it (IngressClass, default class). */
function defaultClass(classes: ClusterState['ingressClasses']): IngressClass | undefined {
  return [...classes.values()].filter(({ metadata }) => metadata.annotations?.[defaultAnnotation] === 'true').sort(byAge).at(-1);
}
