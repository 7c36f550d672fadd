import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { checkPattern } from '#routing';
import type { Filter, Listener, Match, Resource, RouteTable, Rule, StreamTable } from '#snapshot';

/** What the check of a resource found that was made before it is asked for. */
const known = new WeakMap<Resource, { readonly fault: string | undefined }>();
/** Rules that are looked at in one step. */
const rulesAtOnce = 50;

/** Why a resource can't be put into force, beyond its structure (which the stream has checked); undefined where it can. */
export function checkResource(resource: Resource): string | undefined {
  const found = known.get(resource);
  if (found !== undefined) return found.fault;
  const steps = check(resource);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in steps; `checkResource` has the result at hand afterwards. */
export function* checkInSteps(resource: Resource): Generator<undefined, void> {
  known.set(resource, { fault: yield* check(resource) });
}

function* check(resource: Resource): Generator<undefined, string | undefined> {
  switch (resource.kind) {
    case 'RouteTable':
      return yield* checkTable(resource);
    case 'StreamTable':
      return checkStreams(resource);
    case 'Listener':
      return checkListener(resource);
    case 'Certificate':
      return checkKeyPair(resource.chain, resource.key);
    default:
      return undefined;
  }
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** OpenSSL passes over authorities that it can't read, and with none of them nobody would be let in. */
function checkListener({ sections }: Listener): string | undefined {
  for (const { name, clientValidation } of sections) {
    if (clientValidation === undefined) continue;
    const blocks = clientValidation.authorities.match(pemBlock) ?? [];
    if (blocks.length === 0) return `section ${name}: the authorities for clients hold no PEM certificate`;
    try {
      for (const block of blocks) new X509Certificate(block);
    } catch (error) {
      return `section ${name}: the authorities for clients can't be read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return undefined;
}

function* checkTable({ routes, policies }: RouteTable): Generator<undefined, string | undefined> {
  let count = 0;
  for (const { ref, rules } of routes) {
    for (const rule of rules) {
      const fault = faultOf(rule, policies.length);
      if (fault !== undefined) return `${ref.kind} ${ref.namespace}/${ref.name} rule ${rule.index}: ${fault}`;
      if (++count % rulesAtOnce === 0) yield;
    }
  }
  return undefined;
}

function checkStreams({ routes, policies = [] }: StreamTable): string | undefined {
  const faulty = routes.find(({ rule }) => refersBeyond(rule, policies.length));
  return faulty === undefined ? undefined : `${faulty.ref.kind} ${faulty.ref.namespace}/${faulty.ref.name}: ${strayPolicy}`;
}

const strayPolicy = 'refers to a policy that the table does not have';

function refersBeyond({ policy, backends }: Pick<Rule, 'policy' | 'backends'>, policies: number): boolean {
  return [policy, ...backends.map((backend) => backend.policy)].some((index) => index !== undefined && index >= policies);
}

function faultOf(rule: Rule, policies: number): string | undefined {
  if (refersBeyond(rule, policies)) return strayPolicy;
  return faultyPattern(rule) ?? faultyMirror(rule);
}

function faultyPattern({ matches }: Rule): string | undefined {
  for (const { index, path, headers, query } of matches) {
    const fault = faultOfPattern(path) ?? firstFault(headers, faultOfPattern) ?? firstFault(query, faultOfPattern);
    if (fault !== undefined) return `match ${index}: ${fault}`;
  }
  return undefined;
}

function faultOfPattern({ type, value }: Match['path'] | Match['headers'][number]): string | undefined {
  return type === 'RegularExpression' ? checkPattern(value) : undefined;
}

function faultyMirror({ filters, backends }: Rule): string | undefined {
  return firstFault(filters, faultOfMirror) ?? firstFault(backends, (backend) => firstFault(backend.filters, faultOfMirror));
}

function faultOfMirror(filter: Filter): string | undefined {
  return filter.type === 'RequestMirror' && filter.denominator === 0 ? 'a mirror with the denominator 0' : undefined;
}

function firstFault<T>(items: readonly T[], faultOf: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const fault = faultOf(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function checkKeyPair(chain: string, key: string): string | undefined {
  try {
    createSecureContext({ cert: chain, key });
    return undefined;
  } catch (error) {
    return `no usable certificate and key: ${error instanceof Error ? error.message : String(error)}`;
  }
}
