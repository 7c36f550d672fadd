import type { Done } from '../loads/types.ts';
import type { Bench } from '../bench.ts';
import type { PeerName, Scenario, Target, TargetName } from '../targets/types.ts';

/** What Weft may cost at most, as a multiple of a peer's cost. */
export interface Goal {
  readonly peer: PeerName;
  readonly atMost: number;
}

/** Work whose cost is CPU time per request. */
export interface CostRow {
  readonly id: string;
  readonly title: string;
  readonly scenario: Scenario;
  readonly peers: readonly PeerName[];
  readonly goals: readonly Goal[];
  /** Of the warm-up; 3 unless set. */
  readonly warmUpSeconds?: number;
  /** One run of about so many seconds. `rate`: requests a second of the warm-up, where there was one. */
  load(bench: Bench, target: Target, seconds: number, rate: number | undefined): Promise<Done>;
}

export interface Sample {
  /** Microseconds of CPU per request. */
  readonly us: number;
  readonly perSecond: number;
  /** Of the time in which it could have run: the share in which something else did. */
  readonly waited: number;
  readonly residentMiB: number;
}

export interface CostResult {
  readonly row: CostRow;
  /** A sample for each round; the rounds of all targets were interleaved. */
  readonly samples: ReadonlyMap<TargetName, readonly Sample[]>;
  /** Why a target was left out. */
  readonly leftOut: readonly string[];
}

/** A line of the second table. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  /** As measured, with unit; by column. */
  readonly values: Readonly<Partial<Record<TargetName, string>>>;
  readonly atMost: string;
  readonly verdict: Verdict;
  readonly note?: string;
}

export type Verdict = 'met' | 'missed' | 'not measured' | '';
