import { readFileSync } from 'node:fs';
import { coreKinds } from './core/kinds.ts';
import { KindRegistry, type Completable, type KindDefinition } from './registry.ts';
import type { FieldError } from './result.ts';
import type { Schema } from './schema/schema.ts';

const gateway = 'gateway.networking.k8s.io';
const experimental = 'gateway.networking.x-k8s.io';

/** Checked against the generated facts by a test. The schemas themselves are loaded when a first object needs them. */
const gatewayKinds: readonly KindDefinition[] = [
  { ...kind('GatewayClass', gateway, ['v1', 'v1beta1']), namespaced: false },
  kind('Gateway', gateway, ['v1', 'v1beta1']),
  kind('ListenerSet', gateway, ['v1']),
  kind('HTTPRoute', gateway, ['v1', 'v1beta1']),
  kind('GRPCRoute', gateway, ['v1']),
  { ...kind('TLSRoute', gateway, ['v1', 'v1alpha3', 'v1alpha2']), complete: fillHostnames },
  kind('TCPRoute', gateway, ['v1', 'v1alpha2']),
  kind('UDPRoute', gateway, ['v1', 'v1alpha2']),
  kind('ReferenceGrant', gateway, ['v1', 'v1beta1']),
  kind('BackendTLSPolicy', gateway, ['v1', 'v1alpha3']),
  { ...kind('XMesh', experimental, ['v1alpha1']), namespaced: false },
  kind('XBackendTrafficPolicy', experimental, ['v1alpha1']),
  kind('XBackend', experimental, ['v1alpha1']),
];

/** Gateway API (experimental channel) and the core kinds. Add your own with `builtInKinds.with(…)`. */
export const builtInKinds = new KindRegistry([...gatewayKinds, ...coreKinds]);

function kind(name: string, group: string, versions: readonly [string, ...string[]]): KindDefinition {
  const [first, ...others] = versions;
  const schema = (apiVersion: string): Schema => schemaOf(name, apiVersion.slice(group.length + 1));
  return { apiVersions: [`${group}/${first}`, ...others.map((version) => `${group}/${version}`)], kind: name, namespaced: true, schema };
}

interface Facts {
  readonly schemas: readonly Schema[];
  readonly schemaOf: Readonly<Record<string, number>>;
}

const loaded = new Map<string, Facts>();

function schemaOf(name: string, version: string): Schema {
  let facts = loaded.get(name);
  if (facts === undefined) {
    facts = JSON.parse(readFileSync(new URL(`./generated/schemas/${name}.json`, import.meta.url), 'utf8')) as Facts;
    loaded.set(name, facts);
  }
  return facts.schemas[facts.schemaOf[version] ?? 0] ?? {};
}

/** `hostnames` became required in v1; before, none meant every name. */
function fillHostnames(object: Completable): readonly FieldError[] {
  const { spec } = object as unknown as { readonly spec: { hostnames?: readonly string[] } };
  spec.hostnames ??= [];
  return [];
}
