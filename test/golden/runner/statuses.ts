import type { ExecutionContext } from 'ava';
import type { ObjectStatus } from '#controller';
import type { ProblemExpectation, StatusExpectation } from './expectation.ts';
import type { Translated } from './translated.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

interface ParentRef {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

/** The status of any kind, as far as cases speak of it. */
interface Status {
  readonly conditions?: readonly Condition[];
  readonly addresses?: readonly { readonly value: string }[];
  readonly attachedListenerSets?: number;
  readonly supportedFeatures?: readonly { readonly name: string }[];
  readonly listeners?: readonly { readonly name: string; readonly attachedRoutes: number; readonly supportedKinds?: readonly { readonly kind: string }[]; readonly conditions: readonly Condition[] }[];
  /** Of an Ingress. */
  readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  readonly parents?: readonly { readonly parentRef: ParentRef; readonly controllerName: string; readonly conditions: readonly Condition[] }[];
  readonly ancestors?: readonly { readonly ancestorRef: ParentRef; readonly controllerName: string; readonly conditions: readonly Condition[] }[];
}

export function checkStatus(t: ExecutionContext, statuses: readonly ObjectStatus[], expected: StatusExpectation): void {
  const { object } = expected;
  const parts = object.split('/');
  const [kind, namespace, name] = parts.length === 2 ? [parts[0], '', parts[1]] : parts;
  const found = statuses.find((status) => status.kind === kind && status.namespace === namespace && status.name === name);
  const status = (found?.status ?? {}) as Status;
  const where = [object, expected.parent ?? expected.ancestor].filter((part) => part !== undefined).join(' at ');
  checkConditions(t, conditionsAt(t, status, expected, where), expected, where);
  if (expected.parents !== undefined) t.is(status.parents?.length ?? 0, expected.parents, `${object}: number of parents in the status`);
  const addresses = status.loadBalancer === undefined ? status.addresses?.map(({ value }) => value) : (status.loadBalancer.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname);
  if (typeof expected.addresses === 'number') t.is(addresses?.length, expected.addresses, `${object}: number of addresses`);
  else if (expected.addresses !== undefined) t.deepEqual(addresses, [...expected.addresses], `${object}: addresses`);
  if (expected.attachedListenerSets !== undefined) t.is(status.attachedListenerSets, expected.attachedListenerSets, `${object}: attachedListenerSets`);
  if (expected.supportedFeatures !== undefined) checkFeatures(t, status, expected.supportedFeatures);
  for (const [listener, wanted] of Object.entries(expected.listeners ?? {})) {
    const entry = status.listeners?.find((each) => each.name === listener);
    if (entry === undefined) {
      t.fail(`${object}: no status of listener ${listener}`);
      continue;
    }
    if (wanted.attachedRoutes !== undefined) t.is(entry.attachedRoutes, wanted.attachedRoutes, `${object}/${listener}: attachedRoutes`);
    if (wanted.supportedKinds !== undefined) t.deepEqual(entry.supportedKinds?.map((each) => each.kind), [...wanted.supportedKinds], `${object}/${listener}: supportedKinds`);
    checkConditions(t, entry.conditions, { ...wanted, ...(expected.observedGeneration === undefined ? {} : { observedGeneration: expected.observedGeneration }) }, `${object}/${listener}`);
  }
}

/** The list of conditions that the expectation speaks of: the object's own, a parent's or an ancestor's. */
function conditionsAt(t: ExecutionContext, status: Status, expected: StatusExpectation, where: string): readonly Condition[] {
  const { parent, ancestor } = expected;
  const namespace = expected.object.split('/').at(-2)!;
  if (parent !== undefined) {
    const entry = status.parents?.find(({ parentRef }) => refText(parentRef, namespace) === parent);
    if (entry === undefined) t.fail(`${where}: no such parent in the status; there are ${status.parents?.map(({ parentRef }) => refText(parentRef, namespace)).join(', ') ?? 'none'}`);
    else t.is(entry.controllerName, 'weft-mesh.io/controller', `${where}: controllerName`);
    return entry?.conditions ?? [];
  }
  if (ancestor !== undefined) {
    const entry = status.ancestors?.find(({ ancestorRef }) => refText(ancestorRef, namespace) === ancestor);
    if (entry === undefined) t.fail(`${where}: no such ancestor in the status; there are ${status.ancestors?.map(({ ancestorRef }) => refText(ancestorRef, namespace)).join(', ') ?? 'none'}`);
    return entry?.conditions ?? [];
  }
  // A policy that is refused may have no ancestor to speak of; what is said of it without one holds for all of them.
  return status.conditions ?? status.ancestors?.flatMap(({ conditions }) => conditions) ?? [];
}

/** `Gateway/{namespace}/{name}[/{section}][:{port}]`; the bare `{kind}/{name}` for cluster-scoped kinds. */
function refText(ref: ParentRef, localNamespace: string): string {
  const kind = ref.kind ?? 'Gateway';
  const scope = kind === 'XMesh' || kind === 'GatewayClass' ? '' : `${ref.namespace ?? localNamespace}/`;
  return `${kind}/${scope}${ref.name}${ref.sectionName === undefined ? '' : `/${ref.sectionName}`}${ref.port === undefined ? '' : `:${ref.port}`}`;
}

type Stated = Pick<StatusExpectation, 'conditions' | 'absent' | 'messages' | 'observedGeneration'>;

function checkConditions(t: ExecutionContext, conditions: readonly Condition[], expected: Stated, where: string): void {
  for (const [type, wanted] of Object.entries(expected.conditions ?? {})) {
    const condition = conditions.find((each) => each.type === type);
    const is = condition === undefined ? 'absent' : wanted.includes('/') ? `${condition.status}/${condition.reason}` : condition.status;
    t.is(is, String(wanted), `${where}: ${type}${condition === undefined ? '' : ` (${condition.reason}: ${condition.message})`}`);
  }
  for (const type of expected.absent ?? []) t.false(conditions.some((each) => each.type === type), `${where}: ${type} must not be there`);
  for (const [type, part] of Object.entries(expected.messages ?? {})) {
    const message = conditions.find((each) => each.type === type)?.message ?? '';
    t.true(message.includes(part), `${where}: the message of ${type} must contain "${part}" and is "${message}"`);
  }
  if (expected.observedGeneration === undefined) return;
  for (const condition of conditions) t.is(condition.observedGeneration, expected.observedGeneration, `${where}: observedGeneration of ${condition.type}`);
}

function checkFeatures(t: ExecutionContext, status: Status, wanted: readonly string[]): void {
  const names = status.supportedFeatures?.map(({ name }) => name) ?? [];
  t.deepEqual(names, names.toSorted(), 'supportedFeatures must be sorted');
  t.deepEqual(wanted.filter((name) => !names.includes(name)), [], 'supportedFeatures that are missing');
}

export function checkProblem(t: ExecutionContext, { translation, unreadable }: Translated, expected: ProblemExpectation): void {
  const all = [
    ...translation.problems.map(({ object: { kind, namespace, name }, severity, reason, message, path }) => ({ object: text(kind, namespace, name), severity, reason, message, path })),
    ...unreadable.map(({ object, reason, message, path }) => ({ object: object === undefined ? '' : text(object.kind, object.namespace, object.name), severity: 'error', reason, message, path })),
  ];
  const fits = all.some(
    (problem) =>
      problem.object === expected.object &&
      (expected.severity === undefined || problem.severity === expected.severity) &&
      (expected.reason === undefined || problem.reason === expected.reason) &&
      (expected.message === undefined || problem.message.includes(expected.message)) &&
      (expected.path === undefined || JSON.stringify(problem.path) === JSON.stringify(expected.path)),
  );
  t.true(fits, `no problem is ${JSON.stringify(expected)}; there are ${JSON.stringify(all, undefined, 1)}`);
}

function text(kind: string, namespace: string, name: string): string {
  return [kind, namespace, name].filter((part) => part !== '').join('/');
}
