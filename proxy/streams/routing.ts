import type { EffectivePolicy, StreamRoute, StreamTable, WeightedBackend } from '#snapshot';
import { nameOfBackend, TableSeries } from '../configuration/series.ts';
import { sourceOf } from '../configuration/tables.ts';
import type { FailureCode } from '../failures.ts';
import { timeoutSettings } from '../retry/index.ts';
import { describeTarget, type Metrics } from '../telemetry/index.ts';
import { pickStreamBackend, streamChooser, type StreamChooser } from './choose.ts';

/** What a connection is counted and logged under. */
export interface StreamSettings {
  readonly series: number;
  readonly description: string;
}

/** What the policies of a way say of its connections, or flows of datagrams. Milliseconds. */
export interface StreamTimes {
  /** Per endpoint; 0: as long as the kernel tries. */
  readonly connectMs: number;
  /** Without anything in either direction; 0: no limit; undefined: nobody says. */
  readonly idleMs: number | undefined;
  /** Of a connection's life; 0: no limit. */
  readonly maxMs: number;
}

export type StreamChoice =
  | { readonly kind: 'backend'; /** Name of a Backend. */ readonly backend: string; readonly times: StreamTimes; readonly settings: StreamSettings }
  | { readonly kind: 'refused'; readonly failure: FailureCode; readonly reason?: string; readonly settings: StreamSettings };

/** A StreamTable in force. Replaced as a whole; connections stay with the endpoint they have. */
export class StreamRouting {
  readonly #chooser: StreamChooser;
  readonly #metrics: Metrics;
  readonly #source: string;
  readonly #unmatched: StreamSettings;
  /** As the table's policies. */
  readonly #times: readonly StreamTimes[];
  /** Made for what gets connections. By backend, `undefined` for the route alone. */
  readonly #settings = new Map<StreamRoute, Map<WeightedBackend | undefined, StreamSettings>>();
  /** What it counts under. */
  readonly series: TableSeries;

  constructor(table: StreamTable, metrics: Metrics) {
    this.#chooser = streamChooser(table.routes);
    this.#metrics = metrics;
    this.#source = sourceOf(table.name);
    this.#unmatched = unroutedSettings(metrics, this.#source);
    this.series = new TableSeries(metrics, this.#source, () => table.routes);
    this.#times = (table.policies ?? []).map(streamTimes);
  }

  /** `serverName`: lower case, no trailing dot; empty without one. `random` in [0, 1). */
  choose(serverName: string, random: () => number): StreamChoice {
    const route = this.#chooser.find(serverName);
    if (route === undefined) return { kind: 'refused', failure: 'no-route', settings: this.#unmatched };
    const picked = pickStreamBackend(route.rule.backends, random);
    const settings = this.#settingsOf(route, picked);
    if (picked === undefined) return { kind: 'refused', failure: 'no-backends', settings };
    const { target, policy } = picked;
    const times = policy === undefined ? plainTimes : this.#times[policy]!;
    return target.kind === 'backend' ? { kind: 'backend', backend: target.backend, times, settings } : { kind: 'refused', failure: 'invalid-backend', reason: target.reason, settings };
  }

  /** Whether no connection with this server name can be served: known before TLS is ended. */
  refusesAll(serverName: string): boolean {
    const route = this.#chooser.find(serverName);
    return route === undefined || !route.rule.backends.some(({ target, weight }) => target.kind === 'backend' && weight > 0);
  }

  /** Whether a connection with this server name may go to this backend. */
  sendsTo(serverName: string, backend: string): boolean {
    return this.#chooser.find(serverName)?.rule.backends.some(({ target, weight }) => target.kind === 'backend' && target.backend === backend && weight > 0) === true;
  }

  /** The table is no longer in force: its series may go once nothing uses them. `after`: the one in its place. */
  release(after?: StreamRouting): void {
    this.#metrics.release(this.#unmatched.series);
    this.series.release(after?.series);
  }

  #settingsOf(route: StreamRoute, backend: WeightedBackend | undefined): StreamSettings {
    let ofRoute = this.#settings.get(route);
    if (ofRoute === undefined) this.#settings.set(route, (ofRoute = new Map<WeightedBackend | undefined, StreamSettings>()));
    let made = ofRoute.get(backend);
    if (made === undefined) ofRoute.set(backend, (made = this.#make(route, backend)));
    return made;
  }

  #make({ ref, rule }: StreamRoute, backend: WeightedBackend | undefined): StreamSettings {
    return {
      series: this.series.of({ ref, rule }, backend),
      description: describeTarget({ source: this.#source, route: ref, rule: rule.name ?? rule.index, ...(backend === undefined ? {} : { backend: nameOfBackend(backend) }) }),
    };
  }
}

function streamTimes(policy: EffectivePolicy | undefined): StreamTimes {
  const { connect, streamIdle, maxConnectionDuration } = timeoutSettings(policy);
  return { connectMs: connect, idleMs: policy?.timeouts?.streamIdle === undefined ? undefined : streamIdle, maxMs: maxConnectionDuration };
}

const plainTimes = streamTimes(undefined);

/** Of connections that get no route, or whose table has not come. */
export function unroutedSettings(metrics: Metrics, source: string): StreamSettings {
  return { series: metrics.series({ source, routeKind: '', routeNamespace: '', routeName: '', rule: '', backend: '' }), description: describeTarget({ source }) };
}
