import { compile, type Candidate, type CompiledTable, type Rule } from '#routing';
import type { EffectivePolicy, RouteTable, WeightedBackend } from '#snapshot';
import { attemptTimeout, budgetOf, retrySettings, timeoutSettings, type RetryBudget, type RetryBudgets, type RetrySettings, type TimeoutSettings } from '../retry/index.ts';
import { sessionSettings, type SessionSettings } from '../sessions/index.ts';
import { describeTarget, type Metrics } from '../telemetry/index.ts';
import { nameOfBackend, TableSeries, type CountedRule } from './series.ts';

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
  /** What it counts under. */
  readonly series: TableSeries;

  constructor(table: RouteTable, inputs: TableInputs) {
    this.compiled = compile(table);
    this.#inputs = inputs;
    this.#policies = table.policies;
    this.#source = sourceOf(table.name);
    this.series = new TableSeries(inputs.metrics, this.#source, () => rulesOf(table));
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
    for (const backend of rule.backends) backends[backend.index] = this.#target(candidate, backend, this.#policy(backend.policy));
    const made = { own: this.#target(candidate, undefined, this.#policy(rule.policy)), backends };
    this.#rules.set(rule, made);
    return made;
  }

  /** Whether there is something in it for HTTP/2: GRPCRoutes, or backends of which `speaks` says so. */
  carriesHttp2(speaks: (backend: string) => boolean): boolean {
    const { grpc, backends } = this.compiled;
    return grpc || backends.values().some(speaks);
  }

  /** The table is no longer in force: its series may go once nothing uses them. `after`: the one in its place. */
  release(after?: RoutingTable): void {
    this.#inputs.metrics.release(this.unmatched.series);
    this.series.release(after?.series);
  }

  #policy(index: number | undefined): EffectivePolicy | undefined {
    return index === undefined ? undefined : this.#policies[index];
  }

  #target({ route: { ref }, rule }: Candidate, backend: WeightedBackend | undefined, policy: EffectivePolicy | undefined): RequestSettings {
    const name = backend === undefined ? undefined : nameOfBackend(backend);
    const retry = retrySettings(policy);
    const timeouts = timeoutSettings(policy);
    const budget = budgetOf(policy);
    return {
      retry,
      budget: name === undefined || budget === undefined ? undefined : this.#inputs.budgets.of(name, budget),
      timeouts,
      session: name === undefined ? undefined : sessionSettings(policy),
      attemptTimeout: attemptTimeout(policy),
      series: this.series.of({ ref, rule }, backend),
      description: describeTarget({
        source: this.#source,
        route: ref,
        rule: rule.name ?? rule.index,
        ...(name === undefined ? {} : { backend: name }),
        ...(policy === undefined ? {} : { policy }),
      }),
    };
  }
}

function* rulesOf({ routes }: RouteTable): Iterable<CountedRule> {
  for (const { ref, rules } of routes) for (const rule of rules) yield { ref, rule };
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
