import type { GRPCRouteRule } from '#crds';
import { renderGrpcMatches } from '../../render/grpc-matches.ts';
import type { ReferenceContext } from '../backends.ts';
import type { RuleResult } from './build.ts';
import { buildRequestRule } from './request-rule.ts';
import { inlineSession } from './session.ts';

/** A rule of a GRPCRoute. */
export function buildGrpcRule(rule: GRPCRouteRule, index: number, context: ReferenceContext): RuleResult {
  const matches = renderGrpcMatches(rule.matches ?? [], ['spec', 'rules', index, 'matches']);
  return buildRequestRule(rule, { index, matches, inline: inlineSession(rule, index, context.route), faults: [] }, context);
}
