import type { ObjectRef, WeightedBackend } from '#snapshot';
import type { Metrics } from '../telemetry/index.ts';

/** A rule of a table, as far as it is counted. */
export interface CountedRule {
  readonly ref: ObjectRef;
  readonly rule: { readonly name?: string; readonly index: number; readonly backends: readonly WeightedBackend[] };
}

/** What a series is of. */
interface Counted {
  /** The name of its route, in whatever namespace. */
  readonly route: string;
  readonly rule: string;
  /** Undefined: of the rule itself. */
  readonly backend: string | undefined;
}

/** The series that a table in force counts under. */
export class TableSeries {
  readonly #metrics: Metrics;
  readonly #source: string;
  readonly #rules: () => Iterable<CountedRule>;
  readonly #held = new Map<number, Counted>();

  /** `rules`: all of the table, whether they are counted yet or not. */
  constructor(metrics: Metrics, source: string, rules: () => Iterable<CountedRule>) {
    this.#metrics = metrics;
    this.#source = source;
    this.#rules = rules;
  }

  /** The series of a rule, or of a backend of it; held until `release`. */
  of(counted: CountedRule, backend?: WeightedBackend): number {
    const { kind, namespace, name } = counted.ref;
    const ofBackend = backend === undefined ? undefined : nameOfBackend(backend);
    const series = this.#metrics.series({ source: this.#source, routeKind: kind, routeNamespace: namespace, routeName: name, rule: nameOf(counted), backend: ofBackend ?? '' });
    this.#hold(series, { route: name, rule: keyOf(counted), backend: ofBackend });
    return series;
  }

  /**
   * The table is no longer in force. `after`: the one in its place, which holds from now on what both have: a rule that gets no requests for a while
   * is counted on from where it was, however often its table changes.
   */
  release(after?: TableSeries): void {
    const rules = after === undefined ? undefined : after.#rulesOf(new Set(this.#held.values().map(({ route }) => route)));
    for (const [series, counted] of this.#held) {
      if (rules?.get(counted.rule)?.some((one) => has(one, counted)) === true) after!.#hold(series, counted);
      else this.#metrics.release(series);
    }
    this.#held.clear();
  }

  /** Of routes of these names, by key. Others need none made: of ten thousand rules few are counted, as a rule. */
  #rulesOf(routes: ReadonlySet<string>): ReadonlyMap<string, readonly CountedRule[]> {
    return routes.size === 0 ? new Map() : Map.groupBy(Iterator.from(this.#rules()).filter(({ ref }) => routes.has(ref.name)), keyOf);
  }

  #hold(series: number, counted: Counted): void {
    if (this.#held.has(series)) this.#metrics.release(series);
    else this.#held.set(series, counted);
  }
}

function has({ rule }: CountedRule, { backend }: Counted): boolean {
  return backend === undefined || rule.backends.some((each) => nameOfBackend(each) === backend);
}

/** `{namespace}/{service}:{port}`, as metrics and the access log have it. */
export function nameOfBackend({ target }: WeightedBackend): string {
  return target.kind === 'backend' ? target.backend : `${target.ref.namespace}/${target.ref.name}:${target.port ?? ''}`;
}

function keyOf(counted: CountedRule): string {
  const { kind, namespace, name } = counted.ref;
  return `${kind}/${namespace}/${name}/${nameOf(counted)}`;
}

/** As metrics have it. */
function nameOf({ rule: { name, index } }: CountedRule): string {
  return name ?? String(index);
}
