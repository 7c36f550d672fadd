import type { RetryFields, SessionPersistence, TimeoutFields } from '#snapshot';
import type { FindingReason } from '../types.ts';
import { levelCases } from './levels.ts';
import { mergedCases } from './merged.ts';
import { precedenceCases } from './precedence.ts';
import { streamCases } from './streams.ts';
import { trafficCases } from './traffic.ts';
import type { PathName, PolicyRow, TrafficRow } from './world.ts';

/** One rule of policy.md: these policies, this path, this effective policy. */
export interface Case {
  readonly name: string;
  readonly policies: readonly (PolicyRow | TrafficRow)[];
  /** The route's own fields, on every path of the case. */
  readonly inline?: { readonly retry?: RetryFields; readonly timeouts?: TimeoutFields; readonly session?: SessionPersistence };
  readonly expect: { readonly [Path in PathName]?: Expected };
}

export interface Expected {
  readonly retry?: RetryFields;
  readonly timeouts?: TimeoutFields;
  readonly session?: SessionPersistence;
  /** `{leaf}: '{policy} {stanza} {level}'`; where given, complete. */
  readonly origins?: Readonly<Record<string, string>>;
  /** `{leaf} {value}: {policy} {stanza} > {winner} {stanza}`, in any order; where given, complete. */
  readonly lost?: readonly string[];
  /** In any order. Nothing given: no warning. */
  readonly warns?: readonly FindingReason[];
}

export const cases: readonly Case[] = [...precedenceCases, ...levelCases, ...mergedCases, ...streamCases, ...trafficCases];
