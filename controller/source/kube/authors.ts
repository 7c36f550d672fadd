import { fieldsOf } from '../../kube/types.ts';
import { fieldManager } from '../../names.ts';

/** By kind: where in a status something is said that names no controller as its author. */
const unsigned: Readonly<Record<string, readonly string[]>> = {
  Ingress: ['f:loadBalancer', 'f:ingress'],
  ListenerSet: ['f:conditions', 'k:{"type":"Accepted"}'],
};

/** Whether we were the last to set what a status of that kind says without naming an author: the API server notes who did (Kubernetes, managedFields). */
export function isStatusOurs(kind: string, managedFields: unknown): boolean {
  const path = unsigned[kind];
  if (path === undefined || !Array.isArray(managedFields)) return false;
  return managedFields.map(fieldsOf).some(({ manager, subresource, fieldsV1 }) => manager === fieldManager && subresource === 'status' && ['f:status', ...path].reduce((fields: unknown, step) => fieldsOf(fields)[step], fieldsV1) !== undefined);
}
