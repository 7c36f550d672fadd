import type { KubernetesObject } from '#crds';
import { refOf } from '../problems.ts';
import type { ObjectStatus } from '../types.ts';

export function statusOf(object: KubernetesObject, status: ObjectStatus['status']): ObjectStatus {
  const { uid } = object.metadata;
  return { apiVersion: object.apiVersion, ...refOf(object), ...(uid === undefined ? {} : { uid }), status };
}
