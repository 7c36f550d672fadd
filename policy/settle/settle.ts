import type { EffectivePolicy, Origin, PolicyLevel } from '#snapshot';
import { targetKey } from '../attach/targets.ts';
import type { Attached, Attachments, Finding, LostField, PathStep, PolicyPath, SettledPolicy } from '../types.ts';
import { checkMerged, type Decided } from './checks.ts';
import { connectionFields, deadDefaults, describeOrigin, flatten, idleness, showValue, unflatten, type Carried } from './leaves.ts';
import { connectionSteps } from './paths.ts';

/** One value that someone gave for one leaf. */
export interface Claim {
  readonly field: string;
  readonly value: unknown;
  readonly origin: Origin;
}

/** A step of a path at which policies are attached. */
interface Station {
  readonly step: PathStep;
  readonly key: string;
  readonly attached: readonly Attached[];
  /** Whether the client's connection can still be influenced here. */
  readonly onConnection: boolean;
  /** The last Service of the path: where the request goes. */
  readonly isBackend: boolean;
}

// Results by what they depend on: many paths share one, and whoever compiles them can tell by identity. Lives as long as its attachments.
const memo = new WeakMap<Attachments, Map<string, SettledPolicy>>();
const inlineKeys = new WeakMap<object, string>();
/** Attachments may outlive many paths; forgetting all now and then costs less than knowing which are gone. */
const maxRemembered = 50_000;

/**
 * The effective policy of one path, all kinds at once, with the origin of every leaf (policy.md, Precedence). Leaf by leaf:
 * override of the top level > … > override of the bottom level > the route's own value > a direct policy of the backend > default
 * of the bottom level > … > default of the top level; at one target, the older policy. Equal results for equal inputs are the same object.
 */
export function settle(path: PolicyPath, attachments: Attachments, carries: Carried = 'requests'): SettledPolicy {
  return remembered(`path of ${carries} ${inlineKey(path)}`, stationsOf(path, attachments), attachments, (stations) => merge(claimsOf(stations, path, carries), stations));
}

/** Fields that act on the connection of a client that sends requests, of the part of the path that is known before one has come. */
const connectionScope: ReadonlySet<string> = new Set([...connectionFields, 'timeouts.idle']);

/**
 * What governs the connection of a client that sends requests: the path cut off below the listener (in the mesh: below the client's namespace),
 * and of its fields those that act on connections. For `ListenerSection.policy`.
 */
export function connectionPolicy(path: PolicyPath, attachments: Attachments): SettledPolicy {
  const cut = { steps: path.steps.slice(0, connectionSteps(path)) };
  return remembered('connection', stationsOf(cut, attachments), attachments, (stations) => {
    const claims = claimsOf(stations, cut, 'requests');
    return merge({ acting: claims.acting.filter(({ field }) => connectionScope.has(field)), idle: [] }, stations);
  });
}

function remembered(scope: string, stations: readonly Station[], attachments: Attachments, settled: (stations: readonly Station[]) => SettledPolicy): SettledPolicy {
  let results = memo.get(attachments);
  if (results === undefined) memo.set(attachments, (results = new Map()));
  let key = scope;
  for (const { step, key: target, onConnection, isBackend } of stations) key += `\n${step.level} ${target} ${onConnection ? 'c' : ''}${isBackend ? 'b' : ''}`;
  let result = results.get(key);
  if (result === undefined) {
    if (results.size >= maxRemembered) results.clear();
    results.set(key, (result = settled(stations)));
  }
  return result;
}

function inlineKey({ inline }: PolicyPath): string {
  if (inline === undefined) return '';
  let key = inlineKeys.get(inline);
  if (key === undefined) inlineKeys.set(inline, (key = JSON.stringify(inline)));
  return key;
}

function stationsOf(path: PolicyPath, attachments: Attachments): readonly Station[] {
  const connection = connectionSteps(path);
  const backend = path.steps.findLastIndex(({ level }) => level === 'Service');
  return path.steps.flatMap((step, index) => {
    const key = targetKey(step.target);
    const attached = attachments.byTarget.get(key);
    return attached === undefined ? [] : [{ step, key, attached, onConnection: index < connection, isBackend: index === backend }];
  });
}

/** All claims in the order of precedence, those that can act and those that stand where nothing reads them. */
interface Claims {
  readonly acting: readonly Claim[];
  readonly idle: readonly IdleClaim[];
}

interface IdleClaim extends Claim {
  readonly why: string;
}

function claimsOf(stations: readonly Station[], { inline }: PolicyPath, carries: Carried): Claims {
  const acting: Claim[] = [];
  const idle: IdleClaim[] = [];
  const add = (claim: Claim, onConnection: boolean): void => {
    const why = idleness(claim.field, { carries, onConnection });
    if (why === undefined) acting.push(claim);
    else idle.push({ ...claim, why });
  };
  const collect = (stanza: 'override' | 'default') => (station: Station): void => {
    for (const { policy, [stanza]: leaves } of station.attached) {
      const origin = { kind: policy.kind, namespace: policy.metadata.namespace, name: policy.metadata.name, stanza, level: station.step.level };
      for (const { field, value } of leaves) add({ field, value, origin }, station.onConnection);
    }
  };
  stations.map(collect('override'));
  if (inline !== undefined) {
    const { kind, namespace, name } = inline.ref;
    const origin = { kind, namespace, name, stanza: 'route', level: 'Route' } as const;
    for (const leaf of [...flatten('RetryPolicy', inline.retry), ...flatten('TimeoutPolicy', inline.timeouts)]) acting.push({ ...leaf, origin });
    if (inline.session !== undefined) acting.push({ field: 'session', value: inline.session, origin });
  }
  for (const claim of directClaims(stations)) add(claim, false);
  stations.toReversed().map(collect('default'));
  return { acting, idle };
}

/** Of direct policies those on the backend alone. What a dialled Service says of itself does not go on to another one. */
function directClaims(stations: readonly Station[]): readonly Claim[] {
  return stations.flatMap(({ step, attached, isBackend }) =>
    !isBackend
      ? []
      : attached.flatMap(({ policy, direct }) => {
          const origin = { kind: policy.kind, namespace: policy.metadata.namespace, name: policy.metadata.name, stanza: 'direct', level: step.level } as const;
          return direct.map((leaf): Claim => ({ ...leaf, origin }));
        }),
  );
}

/** The first claim to a leaf wins it; precedence is in the order. */
function merge({ acting, idle }: Claims, stations: readonly Station[]): SettledPolicy {
  const winners = new Map<string, Claim>();
  const lost: LostField[] = [];
  for (const claim of acting) {
    const winner = winners.get(claim.field);
    if (winner === undefined) winners.set(claim.field, claim);
    else lost.push(lostTo(claim, describeOrigin(winner.origin)));
  }
  const findings: Finding[] = [];
  for (const claim of idle) {
    lost.push(lostTo(claim, `nothing: ${claim.why}`));
    if (isShared(claim.origin.level)) continue;
    const message = `${describeOrigin(claim.origin)} sets ${claim.field} to ${showValue(claim.value)}, which has no effect there: ${claim.why}`;
    findings.push({ reason: 'NoEffectAtLevel', message, field: claim.field, origin: claim.origin });
  }
  findings.push(...deadFindings(stations));
  const checked = checkMerged(winners);
  lost.push(...checked.clamped.map(({ claim, by }) => lostTo(claim, describeOrigin(by.origin))));
  findings.push(...checked.findings);
  return { policy: render(checked.decided), lost, warnings: [...new Set(findings.map(({ message }) => message))], findings };
}

/**
 * A namespace holds clients as well as routes and Services, and a Gateway has listeners of several protocols: what has no effect on one path may
 * be meant for another.
 */
function isShared(level: PolicyLevel): boolean {
  return level !== 'Listener' && level !== 'Route' && level !== 'Rule' && level !== 'Service' && level !== 'Port';
}

function lostTo({ field, value, origin }: Claim, to: string): LostField {
  const { kind, namespace, name, stanza, level } = origin;
  return { kind, namespace, name, stanza, level, field, value, to };
}

function deadFindings(stations: readonly Station[]): readonly Finding[] {
  return stations.flatMap(({ step, attached }) =>
    attached.flatMap((each) =>
      deadDefaults(each).map(({ field, message }): Finding => {
        const { kind, metadata } = each.policy;
        const origin = { kind, namespace: metadata.namespace, name: metadata.name, stanza: 'default', level: step.level } as const;
        return { reason: 'DeadDefault', message: `${kind}/${metadata.namespace}/${metadata.name}: ${message}`, field, origin };
      }),
    ),
  );
}

/** Leaves in alphabetical order, so that equal policies are equal as text too. */
function render(decided: Decided): EffectivePolicy {
  const claims = [...decided.values()].sort((a, b) => (a.field < b.field ? -1 : 1));
  return { ...unflatten(claims), origins: Object.fromEntries(claims.map(({ field, origin }) => [field, origin])) };
}
