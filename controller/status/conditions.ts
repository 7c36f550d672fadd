import type { KubernetesObject } from '#crds';
import { refOf } from '../problems.ts';
import type { ObjectStatus } from '../types.ts';

export function statusOf(object: KubernetesObject, status: ObjectStatus['status']): ObjectStatus {
  return { apiVersion: object.apiVersion, ...refOf(object), status };
}
