import { compile, type Candidate, type CompiledTable, type Rule } from '#routing';
import type { EffectivePolicy, RouteTable } from '#snapshot';
import { attemptTimeout, budgetOf, retrySettings, timeoutSettings, type RetryBudget, type RetryBudgets, type RetrySettings, type TimeoutSettings } from '../retry/index.ts';
import { sessionSettings, type SessionSettings } from '../sessions/index.ts';
import { describeTarget, type Metrics } from '../telemetry/index.ts';

/** What holds for all requests that one rule sends to one backend (or answers by itself). */
export interface RequestSettings {
  readonly retry: RetrySettings | undefined;
  readonly budget: RetryBudget | undefined;
  readonly timeouts: TimeoutSettings;
  /** How clients are bound to endpoints; undefined: they are not. */
  readonly session: SessionSettings | undefined;
  /** Milliseconds for one attempt; 0: no limit. */
  readonly attemptTimeout: number;
  readonly series: number;
  /** For the access log. */
  readonly description: string;
}

export interface RuleSettings {
  readonly own: RequestSettings;
  /** By `WeightedBackend.index`. */
  readonly backends: readonly RequestSettings[];
}

export interface TableInputs {
  readonly metrics: Metrics;
  readonly budgets: RetryBudgets;
}

/** A route table in force. Replaced as a whole. */
export class RoutingTable {
  readonly compiled: CompiledTable;
  /** For requests that no rule matches. */
  readonly unmatched: RequestSettings;
  readonly #inputs: TableInputs;
  readonly #source: string;
  /** Made for the rules that get requests: a table may have ten thousand. */
  readonly #rules = new Map<Rule, RuleSettings>();
  readonly #policies: readonly EffectivePolicy[];

  constructor(table: RouteTable, inputs: TableInputs) {
    this.compiled = compile(table);
    this.#inputs = inputs;
    this.#policies = table.policies;
    this.#source = sourceOf(table.name);
    this.unmatched = {
      ...plainSettings,
      series: inputs.metrics.series({ source: this.#source, routeKind: '', routeNamespace: '', routeName: '', rule: '', backend: '' }),
      description: describeTarget({ source: this.#source }),
    };
  }

  settingsOf(candidate: Candidate): RuleSettings {
    const known = this.#rules.get(candidate.rule);
    if (known !== undefined) return known;
    const { rule } = candidate;
    const backends: RequestSettings[] = [];
    for (const backend of rule.backends) {
      const { target } = backend;
      const name = target.kind === 'backend' ? target.backend : `${target.ref.namespace}/${target.ref.name}:${target.port ?? ''}`;
      backends[backend.index] = this.#target(candidate, name, this.#policy(backend.policy));
    }
    const made = { own: this.#target(candidate, '', this.#policy(rule.policy)), backends };
    this.#rules.set(rule, made);
    return made;
  }

  /** Whether there is something in it for HTTP/2: GRPCRoutes, or backends of which `speaks` says so. */
  carriesHttp2(speaks: (backend: string) => boolean): boolean {
    const { grpc, backends } = this.compiled;
    return grpc || backends.values().some(speaks);
  }

  /** The table is no longer in force: its series may go once nothing uses them. */
  release(): void {
    this.#inputs.metrics.release(this.unmatched.series);
    for (const { own, backends } of this.#rules.values()) for (const target of [own, ...backends]) if (target !== undefined) this.#inputs.metrics.release(target.series);
  }

  #policy(index: number | undefined): EffectivePolicy | undefined {
    return index === undefined ? undefined : this.#policies[index];
  }

  #target(candidate: Candidate, backend: string, policy: EffectivePolicy | undefined): RequestSettings {
    const { metrics, budgets } = this.#inputs;
    const { ref } = candidate.route;
    const rule = candidate.rule.name ?? String(candidate.rule.index);
    const retry = retrySettings(policy);
    const timeouts = timeoutSettings(policy);
    const budget = backend === '' ? undefined : budgetOf(policy);
    return {
      retry,
      budget: budget === undefined ? undefined : budgets.of(backend, budget),
      timeouts,
      session: backend === '' ? undefined : sessionSettings(policy),
      attemptTimeout: attemptTimeout(timeouts, retry),
      series: metrics.series({ source: this.#source, routeKind: ref.kind, routeNamespace: ref.namespace, routeName: ref.name, rule, backend }),
      description: describeTarget({
        source: this.#source,
        route: ref,
        rule: candidate.rule.name ?? candidate.rule.index,
        ...(backend === '' ? {} : { backend }),
        ...(policy === undefined ? {} : { policy }),
      }),
    };
  }
}

const plainSettings = { retry: undefined, budget: undefined, session: undefined, timeouts: timeoutSettings(undefined), attemptTimeout: 0 } as const;

/** Of requests that no table gets: to a host outside of the mesh, or refused before. */
export function tablelessSettings(metrics: Metrics, source: string, backend: string): RequestSettings {
  return {
    ...plainSettings,
    series: metrics.series({ source, routeKind: '', routeNamespace: '', routeName: '', rule: '', backend }),
    description: describeTarget({ source, ...(backend === '' ? {} : { backend }) }),
  };
}

/** `listener/{namespace}/{gateway}/{section}` is of that section, `service/{client namespace}/…` of the mesh as that namespace sees it. */
export function sourceOf(table: string): string {
  const [kind, ...rest] = table.split('/');
  if (kind === 'listener') return rest.join('/');
  return kind === 'service' ? `mesh/${rest[0]}` : table;
}
