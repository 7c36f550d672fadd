import type { GatewayClass, XMesh } from '#crds';
import { isBuiltIn } from '../built-ins.ts';
import type { Cluster } from '../cluster.ts';
import { isOurs } from '../graph/listeners/gateways.ts';
import { controllerName } from '../names.ts';
import { condition, no, problem, yes, type Fault, type Verdict } from '../problems.ts';
import type { ConditionDraft, ObjectStatus, Problem } from '../types.ts';
import type { Affected } from './affected.ts';
import { statusOf } from './conditions.ts';
import { gatewayFeatures, meshFeatures } from './features.ts';

export interface Reported {
  readonly statuses: readonly ObjectStatus[];
  readonly problems: readonly Problem[];
}

/** Our GatewayClasses and meshes, as far as somebody wrote them down. */
export function reportClasses({ state }: Cluster, affected: Affected): Reported {
  const classes = [...state.gatewayClasses.values()].filter((each) => isOurs(each) && !isBuiltIn(each));
  const meshes = [...state.meshes.values()].filter((each) => each.spec.controllerName === controllerName && !isBuiltIn(each));
  return {
    statuses: [
      ...classes.map((each) => statusOf(each, classStatus(each, affected.on(each)))),
      ...meshes.map((each) => statusOf(each, meshStatus(each, affected.on(each)))),
    ],
    problems: [...classes, ...meshes].flatMap((each) => (each.spec.parametersRef === undefined ? [] : [problem('error', each, parametersFault)])),
  };
}

const parametersFault: Fault = { reason: 'InvalidParameters', path: ['spec', 'parametersRef'], message: 'parametersRef is not supported yet; remove it' };

function acceptedVerdict({ spec }: GatewayClass | XMesh): Verdict {
  return spec.parametersRef === undefined ? yes('Accepted', 'Accepted') : no(parametersFault.reason, `spec.parametersRef: ${parametersFault.message}`);
}

function classStatus(each: GatewayClass, affected: readonly ConditionDraft[]): ObjectStatus['status'] {
  return {
    conditions: [
      condition('Accepted', acceptedVerdict(each), each),
      condition('SupportedVersion', yes('SupportedVersion', 'The Gateway API version is supported'), each),
      ...affected,
    ],
    supportedFeatures: gatewayFeatures,
  };
}

function meshStatus(each: XMesh, affected: readonly ConditionDraft[]): ObjectStatus['status'] {
  return { conditions: [condition('Accepted', acceptedVerdict(each), each), ...affected], supportedFeatures: meshFeatures };
}
