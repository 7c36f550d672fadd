import type { KindDefinition, Schema } from '#crds';
import { Type } from 'typebox';
import { retryDefaults, retryFields } from '../retry/schema.ts';
import { timeoutDefaults, timeoutFields } from '../timeout/schema.ts';
import { statusSchema } from './status.ts';
import { specSchema } from './target.ts';

export const policyGroup = 'policy.weft-mesh.io';
export const policyVersion = 'v1alpha1';
export const policyApiVersion = `${policyGroup}/${policyVersion}`;

/** What the registry of `#crds` takes, and what the CRD and the reference page need besides. */
export interface PolicyKind extends KindDefinition {
  readonly kind: 'RetryPolicy' | 'TimeoutPolicy';
  readonly schema: Schema;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** Schema of one stanza. */
  readonly fields: Schema;
  /** What the data plane uses, by field as written in a stanza. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly purpose: string;
}

export const policyKinds: readonly PolicyKind[] = [
  policyKind('RetryPolicy', retryFields, {
    plural: 'retrypolicies',
    shortNames: ['retrypol'],
    defaults: retryDefaults,
    purpose: 'Says which requests are tried again, how often and how soon.',
  }),
  policyKind('TimeoutPolicy', timeoutFields, {
    plural: 'timeoutpolicies',
    shortNames: ['timeoutpol'],
    defaults: timeoutDefaults,
    purpose: 'Says how long requests, attempts and connections may take.',
  }),
];

function policyKind(kind: PolicyKind['kind'], fields: Type.TSchema, rest: Pick<PolicyKind, 'plural' | 'shortNames' | 'defaults' | 'purpose'>): PolicyKind {
  const schema = Type.Object(
    {
      apiVersion: Type.Optional(Type.String()),
      kind: Type.Optional(Type.String()),
      metadata: Type.Optional({ type: 'object' } as Type.TSchema),
      spec: specSchema(fields),
      status: Type.Optional(statusSchema),
    },
    { description: rest.purpose },
  );
  return { apiVersions: [policyApiVersion], kind, namespaced: true, schema: plain(schema), fields: plain(fields), ...rest };
}

/** Without typebox's hidden marks: JSON and nothing else. */
function plain(schema: Type.TSchema): Schema {
  return JSON.parse(JSON.stringify(schema)) as Schema;
}
