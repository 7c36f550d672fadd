import { fieldsOf } from '../../kube/types.ts';
import { fieldManager } from '../../names.ts';

interface Unsigned {
  readonly at: readonly string[];
  /** All of these must be ours. Whoever takes the object over changes one of them; what it leaves as it was, such as a time, goes on to count as ours. */
  readonly fields: readonly string[];
}

const accepted: Unsigned = { at: ['f:conditions', 'k:{"type":"Accepted"}'], fields: ['f:message', 'f:observedGeneration'] };

/** By kind: where in a status something is said that names no controller as its author. */
const unsigned: Readonly<Record<string, Unsigned>> = {
  Gateway: accepted,
  Ingress: { at: ['f:loadBalancer'], fields: ['f:ingress'] },
  ListenerSet: accepted,
};

/** Whether we were the last to set what a status of that kind says without naming an author: the API server notes who did (Kubernetes, managedFields). */
export function isStatusOurs(kind: string, managedFields: unknown): boolean {
  const place = unsigned[kind];
  if (place === undefined || !Array.isArray(managedFields)) return false;
  return managedFields.map(fieldsOf).some(({ manager, subresource, fieldsV1 }) => {
    if (manager !== fieldManager || subresource !== 'status') return false;
    const found = fieldsOf(['f:status', ...place.at].reduce((fields: unknown, step) => fieldsOf(fields)[step], fieldsV1));
    return place.fields.every((field) => found[field] !== undefined);
  });
}
