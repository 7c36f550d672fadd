import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { checkPattern } from '#routing';
import type { Filter, Listener, Match, Resource, RouteTable, Rule } from '#snapshot';

/** Why a resource can't be put into force, beyond its structure (which the stream has checked); undefined where it can. */
export function checkResource(resource: Resource): string | undefined {
  switch (resource.kind) {
    case 'RouteTable':
      return checkTable(resource);
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

function checkTable({ routes, policies }: RouteTable): string | undefined {
  const unknownPolicy = (index: number | undefined): boolean => index !== undefined && index >= policies.length;
  for (const route of routes) {
    for (const rule of route.rules) {
      const place = `${route.ref.kind} ${route.ref.namespace}/${route.ref.name} rule ${rule.index}`;
      if (unknownPolicy(rule.policy) || rule.backends.some(({ policy }) => unknownPolicy(policy))) return `${place}: refers to a policy that the table does not have`;
      const fault = faultyPattern(rule) ?? faultyMirror(rule);
      if (fault !== undefined) return `${place}: ${fault}`;
    }
  }
  return undefined;
}

function faultyPattern({ matches }: Rule): string | undefined {
  for (const match of matches) {
    for (const pattern of patternsOf(match)) {
      const fault = checkPattern(pattern);
      if (fault !== undefined) return `match ${match.index}: ${fault}`;
    }
  }
  return undefined;
}

function patternsOf({ path, headers, query }: Match): readonly string[] {
  return [path, ...headers, ...query].flatMap(({ type, value }) => (type === 'RegularExpression' ? [value] : []));
}

function faultyMirror({ filters, backends }: Rule): string | undefined {
  const all: readonly Filter[] = [...filters, ...backends.flatMap((backend) => backend.filters)];
  return all.some((filter) => filter.type === 'RequestMirror' && filter.denominator === 0) ? 'a mirror with the denominator 0' : undefined;
}

function checkKeyPair(chain: string, key: string): string | undefined {
  try {
    createSecureContext({ cert: chain, key });
    return undefined;
  } catch (error) {
    return `no usable certificate and key: ${error instanceof Error ? error.message : String(error)}`;
  }
}
