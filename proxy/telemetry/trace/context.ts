/** W3C Trace Context, level 1: the `traceparent` and `tracestate` header fields. */

export interface TraceParent {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them: the caller's span. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const version00 = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
/** A later version may append fields; what it has in common with 00 is read (section 4.1). */
const laterVersion = /^(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const longest = 256;

/** Undefined for whatever the specification calls invalid; such a request starts a trace of its own, and its `tracestate` is dropped. */
export function parseTraceparent(value: string): TraceParent | undefined {
  if (value.length > longest) return undefined;
  const found = version00.exec(value) ?? laterVersion.exec(value);
  if (found === null) return undefined;
  const [, traceId, spanId, flags] = found;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

export function formatTraceparent(context: TraceParent): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? '01' : '00'}`;
}

const stateKey = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
const stateValue = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const maxStateLength = 512;
const maxStateMembers = 32;

/** The list as it may be passed on (section 3.3): empty members left out; undefined where it is malformed, too long, or empty. */
export function parseTracestate(value: string): string | undefined {
  if (value.length > maxStateLength) return undefined;
  const members = value.split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, '')).filter((member) => member !== '');
  if (members.length === 0 || members.length > maxStateMembers) return undefined;
  const keys = new Set<string>();
  for (const member of members) {
    const equals = member.indexOf('=');
    const key = member.slice(0, Math.max(0, equals));
    if (!stateKey.test(key) || !stateValue.test(member.slice(equals + 1)) || keys.has(key)) return undefined;
    keys.add(key);
  }
  return members.join(',');
}
