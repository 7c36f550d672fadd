import type { ObjectMeta } from './object.ts';
import type { FieldError } from './result.ts';
import { check, type UnknownFields } from './schema/check.ts';
import { isObject } from './schema/record.ts';
import type { Schema } from './schema/schema.ts';

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const text: Schema = { type: 'string' };
const namespace: Schema = { ...text, maxLength: 63, pattern: `^(${label})?$` };
const subdomain: Schema = { ...text, minLength: 1, maxLength: 253, pattern: `^${label}(\\.${label})*$` };
const dnsLabel: Schema = { ...text, minLength: 1, maxLength: 63, pattern: `^${label}$` };
const qualifiedName = /^(?:(?=[^/]{1,253}\/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/)?(?=[^/]{1,63}$)[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** `metav1.ObjectMeta`, all its fields; those that we have no use for are left out afterwards. */
const schema: Schema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: subdomain,
    namespace,
    uid: text,
    generation: { type: 'integer' },
    resourceVersion: text,
    creationTimestamp: { ...text, format: 'date-time' },
    deletionTimestamp: { ...text, format: 'date-time' },
    labels: { type: 'object', additionalProperties: { ...text, maxLength: 63, pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$' } },
    annotations: { type: 'object', additionalProperties: text },
    generateName: text,
    selfLink: text,
    deletionGracePeriodSeconds: { type: 'integer' },
    finalizers: { type: 'array' },
    managedFields: { type: 'array' },
    ownerReferences: { type: 'array' },
  },
};

/** Kinds whose names Kubernetes has a rule of their own for; that of a ClusterTrustBundle begins with its signer, `example.com:signer:`. */
const named: ReadonlyMap<string, Schema> = new Map(
  ([['Service', dnsLabel], ['Namespace', dnsLabel], ['ClusterTrustBundle', { ...text, minLength: 1, maxLength: 253, pattern: `^${label}([.:]${label})*$` }]] as const).map(([kind, name]) => [kind, { ...schema, properties: { ...schema.properties, name } }]),
);
const unused = ['generateName', 'selfLink', 'deletionGracePeriodSeconds', 'finalizers', 'managedFields', 'ownerReferences'];

export interface MetadataCheck {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly unknownFields: UnknownFields;
}

/** Checked metadata; `namespace` is `default` where a namespaced object names none, `generation` is 1 where it is not written. */
export function parseMetadata(raw: unknown, { kind, namespaced, unknownFields }: MetadataCheck): { readonly value: ObjectMeta; readonly errors: readonly FieldError[] } {
  const { value, errors } = check(named.get(kind) ?? schema, raw ?? {}, unknownFields);
  const found = (isObject(value) ? value : {}) as unknown as ObjectMeta;
  const faults = [...errors, ...keyFaults('labels', found.labels), ...keyFaults('annotations', found.annotations)];
  const inNone = found.namespace === undefined || found.namespace === '';
  if (!namespaced && !inNone) faults.push({ path: ['namespace'], message: `must be absent: ${kind} is cluster-scoped; remove it` });
  const kept = Object.fromEntries(Object.entries(found).filter(([key]) => !unused.includes(key))) as unknown as ObjectMeta;
  const meta = { ...kept, name: found.name, namespace: namespaced ? (inNone ? 'default' : found.namespace) : '', generation: found.generation ?? 1 };
  return { value: meta, errors: faults.map((fault) => ({ path: ['metadata', ...fault.path], message: fault.message })) };
}

function keyFaults(field: 'labels' | 'annotations', entries: Readonly<Record<string, string>> | undefined): readonly FieldError[] {
  const wrong = Object.keys(entries ?? {}).filter((key) => !qualifiedName.test(field === 'annotations' ? key.toLowerCase() : key));
  return wrong.map((key) => ({ path: [field, key], message: `a ${field === 'labels' ? 'label' : 'annotation'} key must be a name of at most 63 letters, digits, -, _ and ., with a DNS prefix if any, such as example.com/name` }));
}
