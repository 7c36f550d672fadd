import type { InjectionConfig } from '../configuration.ts';
import { eligibilityOf } from '../eligibility.ts';
import { initContainer, injectedLabel, proxyContainer } from '../names.ts';
import { choicesOf, type Choices } from './annotations.ts';
import { initOf, proxyOf } from './containers.ts';
import { covers } from './covers.ts';
import { delayedEndings } from './endings.ts';
import { factsOf } from './facts.ts';
import type { Injection, Json, NamespaceFacts, Operation } from './types.ts';
import { volumes } from './volumes.ts';

/**
 * What becomes of a Pod (or a Pod template: anything with `metadata` and `spec`). Pure and total. A Pod that has its sidecar already is
 * left alone; one whose sidecar is not as it should be, or not in its place, is mended: webhooks that come later may have moved it.
 */
export function injectionFor(pod: unknown, namespace: NamespaceFacts, config: InjectionConfig): Injection {
  const facts = factsOf(pod);
  if (!facts.ok) return { kind: 'refuse', message: facts.error };
  const eligibility = eligibilityOf(facts.value, namespace, config);
  if (eligibility.kind !== 'inject') return eligibility;
  const { metadata, spec } = facts.value;
  const choices = choicesOf(metadata.annotations, config);
  if (!choices.ok) return { kind: 'refuse', message: choices.error };
  const added = difference(pod as Raw, [initOf(config, choices.value), proxyOf(config, choices.value, spec.terminationGracePeriodSeconds)]);
  const operations = [...added, ...pullSecrets(pod as Raw, config), ...delayedEndings(facts.value, choices.value.terminationDelay)];
  return operations.length > 0 ? { kind: 'patch', operations } : { kind: 'skip', reason: 'the Pod has its sidecar' };
}

export type { Choices };

/** What `factsOf` has checked. */
interface Raw {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly initContainers?: readonly Named[]; readonly volumes?: readonly Named[]; readonly imagePullSecrets?: readonly Named[] };
}

type Named = Json & { readonly name: string };

function difference({ metadata, spec }: Raw, containers: readonly Json[]): readonly Operation[] {
  const operations: Operation[] = [];
  if (metadata?.labels?.[injectedLabel] !== 'true') {
    if (metadata === undefined || metadata === null) operations.push(add('/metadata', {}));
    operations.push(add('/metadata/labels', { ...metadata?.labels, [injectedLabel]: 'true' }));
  }
  const others = (spec.initContainers ?? []).filter(({ name }) => name !== initContainer && name !== proxyContainer);
  // First, so that init containers that need the network have it.
  const wanted = [...containers, ...others];
  if (!covers(spec.initContainers ?? [], wanted)) operations.push(add('/spec/initContainers', wanted));
  const present = spec.volumes ?? [];
  const foreign = present.filter(({ name }) => !volumes.some((volume) => volume.name === name));
  const complete = volumes.every((volume) => covers(present.find(({ name }) => name === volume.name), volume));
  if (!complete) operations.push(add('/spec/volumes', [...foreign, ...volumes]));
  return operations;
}

/** Those that the Pod names, or its service account named for it, stay: its own images need them. */
function pullSecrets({ spec }: Raw, { pullSecrets: wanted = [] }: InjectionConfig): readonly Operation[] {
  const present = spec.imagePullSecrets ?? [];
  const missing = wanted.filter((name) => !present.some((secret) => secret.name === name));
  return missing.length === 0 ? [] : [add('/spec/imagePullSecrets', [...present, ...missing.map((name) => ({ name }))])];
}

function add(path: string, value: unknown): Operation {
  return { op: 'add', path, value };
}
