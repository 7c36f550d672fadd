import type { Result } from '#crds';
import { logLevels, longestTerminationDelay, type InjectionConfig, type LogLevel, type Resources } from '../configuration.ts';
import { injectLabel, prefix } from '../names.ts';
import { beyondLimit, quantityOf } from './quantity.ts';

/** What one Pod may choose for its sidecar. Never image, user, environment or capabilities: whoever may make a Pod is a tenant. */
export interface Choices {
  /** Ports and ranges (`a:b`, as iptables writes them) that stay untouched. */
  readonly excludeOutboundPorts: readonly string[];
  readonly excludeInboundPorts: readonly string[];
  readonly logLevel: LogLevel;
  readonly resources: Resources;
  /** How long containers go on serving when the Pod ends, where they do not say so themselves. Seconds. */
  readonly terminationDelay: number;
}

const amounts = ['cpu-request', 'cpu-limit', 'memory-request', 'memory-limit'] as const;
const known: readonly string[] = ['exclude-outbound-ports', 'exclude-inbound-ports', 'log-level', 'termination-delay', ...amounts].map((name) => prefix + name);
const maxRanges = 64;

/** The Pod's choices over the installation's; the error says which annotation is wrong, and what would be right. */
export function choicesOf(annotations: Readonly<Record<string, string>>, config: Pick<InjectionConfig, 'logLevel' | 'terminationDelaySeconds' | 'proxyResources'>): Result<Choices, string> {
  const unknown = Object.keys(annotations).find((name) => name.startsWith(prefix) && !known.includes(name));
  if (unknown === injectLabel) return { ok: false, error: `${injectLabel} is a label, not an annotation` };
  if (unknown !== undefined) return { ok: false, error: `annotation ${JSON.stringify(unknown)} is unknown; there are ${known.join(', ')}` };
  const outbound = portsOf(annotations, 'exclude-outbound-ports');
  if (!outbound.ok) return outbound;
  const inbound = portsOf(annotations, 'exclude-inbound-ports');
  if (!inbound.ok) return inbound;
  const resources = resourcesOf(annotations, config.proxyResources);
  if (!resources.ok) return resources;
  const delay = delayOf(annotations, config.terminationDelaySeconds);
  if (!delay.ok) return delay;
  const level = annotations[`${prefix}log-level`] ?? config.logLevel;
  if (!isLogLevel(level)) return { ok: false, error: `annotation ${prefix}log-level: ${JSON.stringify(level)} must be one of ${logLevels.join(', ')}` };
  return { ok: true, value: { excludeOutboundPorts: outbound.value, excludeInboundPorts: inbound.value, logLevel: level, resources: resources.value, terminationDelay: delay.value } };
}

function isLogLevel(word: string): word is LogLevel {
  return (logLevels as readonly string[]).includes(word);
}

function delayOf(annotations: Readonly<Record<string, string>>, base: number): Result<number, string> {
  const text = annotations[`${prefix}termination-delay`];
  if (text === undefined) return { ok: true, value: base };
  const seconds = Number(/^([0-9]{1,4})s$/.exec(text)?.[1]);
  if (seconds <= longestTerminationDelay) return { ok: true, value: seconds };
  return { ok: false, error: `annotation ${prefix}termination-delay: ${JSON.stringify(text.slice(0, 32))} must be seconds from 0s to ${longestTerminationDelay}s, such as 10s` };
}

function portsOf(annotations: Readonly<Record<string, string>>, name: string): Result<readonly string[], string> {
  const text = annotations[prefix + name];
  if (text === undefined || text.trim() === '') return { ok: true, value: [] };
  const fault = (why: string): Result<never, string> => ({ ok: false, error: `annotation ${prefix}${name}: ${why}` });
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > maxRanges) return fault(`at most ${maxRanges} ports and ranges`);
  const ranges: string[] = [];
  for (const part of parts) {
    const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first < 1 || last > 65_535 || first > last) return fault(`${JSON.stringify(part.slice(0, 32))} must be a port from 1 to 65535 or a range such as 8000-8010`);
    ranges.push(first === last ? `${first}` : `${first}:${last}`);
  }
  return { ok: true, value: ranges };
}

function resourcesOf(annotations: Readonly<Record<string, string>>, base: Resources): Result<Resources, string> {
  const requests = { ...base.requests };
  const limits = { ...base.limits };
  for (const name of amounts) {
    const text = annotations[prefix + name];
    if (text === undefined) continue;
    const amount = quantityOf(text);
    if (amount === undefined || amount === 0) return { ok: false, error: `annotation ${prefix}${name}: ${JSON.stringify(text.slice(0, 32))} must be an amount such as 100m or 128Mi` };
    const unit = name.startsWith('cpu') ? 'cpu' : 'memory';
    if (name.endsWith('request')) requests[unit] = text;
    else limits[unit] = text;
  }
  const beyond = beyondLimit({ requests, limits });
  if (beyond !== undefined) return { ok: false, error: `annotations ${prefix}${beyond.unit}-request and ${prefix}${beyond.unit}-limit: the sidecar would request ${beyond.request} of ${beyond.unit} and be limited to ${beyond.limit}` };
  return { ok: true, value: { ...(Object.keys(requests).length > 0 ? { requests } : {}), ...(Object.keys(limits).length > 0 ? { limits } : {}) } };
}
