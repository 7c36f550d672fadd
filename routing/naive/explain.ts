import { compareHostnames } from '#snapshot';
import { compile, decide } from '../compile/table.ts';
import type { Decision, Match, Rejection, RequestView, Route, RouteTable, Rule } from '../types.ts';
import { hostMismatch, matchingHostnames, mismatches } from './match.ts';
import { comparePrecedence, precedenceReason } from './precedence.ts';
import type { Contender } from './precedence.ts';

export interface Explanation {
  readonly decision: Decision;
  /** All others, in the table's order. */
  readonly rejected: readonly Rejection[];
}

/** What happens to a request, and why nothing else does. The decision is the compiled table's own. */
export function explainCandidates(table: RouteTable, request: RequestView): Explanation {
  const decision = decide(compile(table), request);
  const winner = decision.kind === 'rule' ? decision.candidate : undefined;
  const rejected: Rejection[] = [];
  for (const route of table.routes) {
    for (const rule of route.rules) {
      for (const match of rule.matches) {
        if (match === winner?.match && rule === winner.rule) continue;
        rejected.push({ route: route.ref, rule: rule.index, match: match.index, reason: rejectionReason({ route, rule, match }, request, winner) });
      }
    }
  }
  return { decision, rejected };
}

interface Place {
  readonly route: Route;
  readonly rule: Rule;
  readonly match: Match;
}

function rejectionReason(place: Place, request: RequestView, winner: Contender | undefined): string {
  const contender = contenderOf(place, request);
  if (contender === undefined) return hostMismatch(place.route, request);
  const unmet = mismatches(place.match, request);
  if (unmet.length > 0) return unmet.join('; ');
  return `matched, but ${(winner && precedenceReason(winner, contender)) ?? 'the compiled table passed it over'}`;
}

/** The place on the most specific of its hostnames that the request falls under. */
function contenderOf(place: Place, request: RequestView): Contender | undefined {
  const hostnames = matchingHostnames(place.route, request).map(({ written }) => written);
  const best = hostnames.sort(compareHostnames)[0];
  return best === undefined ? undefined : { ...place, hostname: best };
}

/** The decision that the specification's text makes, without a compiled table. */
export function decideNaively(table: RouteTable, request: RequestView): Contender | undefined {
  const contenders: Contender[] = [];
  for (const route of table.routes) {
    for (const rule of route.rules) {
      for (const match of rule.matches) {
        const contender = contenderOf({ route, rule, match }, request);
        if (contender !== undefined && mismatches(match, request).length === 0) contenders.push(contender);
      }
    }
  }
  return contenders.sort(comparePrecedence)[0];
}
