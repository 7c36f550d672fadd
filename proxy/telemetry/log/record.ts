import type { EffectivePolicy, ObjectRef } from '#snapshot';
import type { FailureCode } from '../../failures.ts';
import { jsonText } from './json.ts';

/**
 * What the access log wants to know of an exchange. The proxy's exchange object has these fields and is passed as it is; the log copies
 * what it needs and keeps nothing.
 */
export interface AccessRecord {
  readonly id: string;
  readonly method: string;
  /** As sent. */
  readonly host: string;
  /** As sent, with query. */
  readonly path: string;
  /** 0: no response left. */
  readonly status: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Address of the client. */
  readonly client: string;
  /** `address:port` of the last endpoint; empty where there was none. */
  readonly endpoint: string;
  /** Attempts made. */
  readonly attempts: number;
  /** Those of them that failed, in order; undefined where none did. */
  readonly failedAttempts: readonly FailedAttempt[] | undefined;
  readonly failure: FailureCode | undefined;
  /** Why in particular: `ProxyError.reason`. */
  readonly failureReason: string | undefined;
  /** Empty where the request has none. */
  readonly traceId: string;
  /** `describeTarget` of what the request was matched to. */
  readonly target: string;
}

export interface FailedAttempt {
  readonly endpoint: string;
  /** A failure, or a response that was not passed on. */
  readonly why: FailureCode | number;
  readonly durationMs: number;
}

/** What is known of requests before they come: made into text once, when a table is compiled. */
export interface TargetDescription {
  /** `{namespace}/{gateway}/{section}`, or `mesh/{client namespace}`. */
  readonly source: string;
  readonly route?: ObjectRef;
  /** Name of the rule, else its index. */
  readonly rule?: string | number;
  readonly backend?: string;
  readonly policy?: EffectivePolicy;
}

/** Members of the JSON line that concern listener, route, rule, backend and the origins of the policy in force. Starts with `,`. */
export function describeTarget(target: TargetDescription): string {
  let text = `,"source":${jsonText(target.source)}`;
  if (target.route !== undefined) text += `,"route":${jsonText(`${target.route.kind}/${target.route.namespace}/${target.route.name}`)}`;
  if (target.rule !== undefined) text += `,"rule":${typeof target.rule === 'number' ? target.rule : jsonText(target.rule)}`;
  if (target.backend !== undefined) text += `,"backend":${jsonText(target.backend)}`;
  const origins = Object.entries(target.policy?.origins ?? {});
  if (origins.length === 0) return text;
  const members = origins.map(
    ([field, origin]) => `${jsonText(field)}:${jsonText(`${origin.kind}/${origin.namespace}/${origin.name} (${origin.stanza} at ${origin.level})`)}`,
  );
  return `${text},"policy":{${members.join(',')}}`;
}
