import { isIP } from 'node:net';
import type { FieldError, FieldPath } from '../result.ts';
import type { Completable, KindDefinition } from '../registry.ts';
import { put, type JsonObject } from '../schema/record.ts';
import { isAddress } from '../schema/scalar.ts';
import { quote } from '../schema/words.ts';
import * as schemas from './schemas.ts';

/** What these kinds really are after `check`; `complete` runs on nothing else. */
interface Draft<T> {
  readonly spec: T;
}

export const coreKinds: readonly KindDefinition[] = [
  { ...core('Namespace', schemas.namespaceSchema), namespaced: false, complete: nameNamespace },
  { ...core('Service', schemas.serviceSchema), complete: fillTargetPorts },
  { ...core('EndpointSlice', schemas.endpointSliceSchema), apiVersions: ['discovery.k8s.io/v1'], complete: fillServing },
  { ...core('Pod', schemas.podSchema), complete: fillAddresses },
  { ...core('Secret', schemas.secretSchema), complete: mergeStringData },
  { ...core('ConfigMap', schemas.configMapSchema), complete: refuseDoubleKeys },
  { ...core('ClusterTrustBundle', schemas.clusterTrustBundleSchema), apiVersions: ['certificates.k8s.io/v1beta1', 'certificates.k8s.io/v1alpha1', 'certificates.k8s.io/v1'], namespaced: false },
  { ...core('Ingress', schemas.ingressSchema), apiVersions: ['networking.k8s.io/v1'] },
  { ...core('IngressClass', schemas.ingressClassSchema), apiVersions: ['networking.k8s.io/v1'], namespaced: false },
  { ...core('ServiceImport', schemas.serviceImportSchema), apiVersions: ['multicluster.x-k8s.io/v1alpha1', 'multicluster.x-k8s.io/v1beta1'] },
];

function core(kind: string, schema: KindDefinition['schema']): KindDefinition {
  return { apiVersions: ['v1'], kind, namespaced: true, schema, unknownFields: 'leave-out' };
}

/** Kubernetes gives every Namespace this label; selectors of `allowedRoutes` rely on it. */
function nameNamespace(object: Completable): readonly FieldError[] {
  const metadata = object.metadata as unknown as JsonObject;
  metadata['labels'] = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
  return [];
}

function fillTargetPorts(object: Completable): readonly FieldError[] {
  const { spec } = object as unknown as Draft<{ ports: { port: number; targetPort?: number | string }[] }>;
  for (const port of spec.ports) port.targetPort ??= port.port;
  return [];
}

function fillServing(object: Completable): readonly FieldError[] {
  const { addressType, endpoints } = object as unknown as { readonly addressType: string; readonly endpoints: readonly { readonly addresses: readonly string[]; readonly conditions: { ready: boolean; serving?: boolean } }[] };
  for (const { conditions } of endpoints) conditions.serving ??= conditions.ready;
  const version = { IPv4: 4, IPv6: 6 }[addressType];
  if (version === undefined) return [];
  return endpoints.flatMap(({ addresses }, index) => addresses.flatMap((address, at) => (isIP(address) === version && isAddress(address) ? [] : [{ path: ['endpoints', index, 'addresses', at], message: `${quote(address)} must be an ${addressType} address` }])));
}

function fillAddresses(object: Completable): readonly FieldError[] {
  const { status } = object as unknown as { readonly status: { podIP?: string; podIPs: { readonly ip: string }[] } };
  const first = status.podIPs[0];
  if (status.podIP === undefined && first !== undefined) status.podIP = first.ip;
  else if (status.podIP !== undefined && first === undefined) status.podIPs.push({ ip: status.podIP });
  return [];
}

const keyForm = /^[-._a-zA-Z0-9]{1,253}$/;

function mergeStringData(object: Completable): readonly FieldError[] {
  const { stringData = {}, data } = object as unknown as { readonly stringData?: Record<string, string>; readonly data: JsonObject };
  const errors = [...keyFaults(['data'], data), ...keyFaults(['stringData'], stringData)];
  for (const [key, value] of Object.entries(stringData)) put(data, key, Buffer.from(value, 'utf8').toString('base64'));
  delete object['stringData'];
  return errors;
}

function refuseDoubleKeys(object: Completable): readonly FieldError[] {
  const { data, binaryData } = object as unknown as { readonly data: JsonObject; readonly binaryData: JsonObject };
  const double = Object.keys(binaryData).filter((key) => Object.hasOwn(data, key));
  const errors = double.map((key) => ({ path: ['binaryData', key], message: 'stands in data as well; keep one of them' }));
  return [...keyFaults(['data'], data), ...keyFaults(['binaryData'], binaryData), ...errors];
}

function keyFaults(path: FieldPath, data: JsonObject): readonly FieldError[] {
  const wrong = Object.keys(data).filter((key) => !keyForm.test(key));
  return wrong.map((key) => ({ path: [...path, key], message: 'a key must consist of letters, digits, -, _ and ., at most 253 of them' }));
}
