import { formatPath, objectKey, positionOf, type ClusterState, type FieldPath, type KubernetesObject, type ManifestProblem, type SourcePosition } from '#crds';
import type { FileFault, LoadedFiles, Problem } from '#controller';

/** Something that a user should know: of a file, of an object, or of the machine. */
export interface MeshProblem {
  readonly severity: 'error' | 'warning';
  readonly source?: SourcePosition;
  /** `HTTPRoute shop/cart`, or what else it concerns. */
  readonly subject: string;
  /** CamelCase, as in conditions. */
  readonly reason: string;
  /** What, where, and what to do. */
  readonly message: string;
}

/** `file:line:column: error: HTTPRoute shop/cart: what is wrong (Reason)`. */
export function formatProblem({ severity, source, subject, reason, message }: MeshProblem): string {
  const place = source === undefined ? '' : `${source.file}:${source.line}:${source.column}: `;
  return `${place}${severity}: ${subject === '' ? '' : `${subject}: `}${message} (${reason})`;
}

/** What could not be read, and that the last good version goes on where it does. */
export function readingProblems({ problems, ignored, faults, kept }: Pick<LoadedFiles, 'problems' | 'ignored' | 'faults' | 'kept'>): readonly MeshProblem[] {
  return [
    ...faults.map(faultProblem),
    ...problems.map((problem) => readingProblem(problem, kept)),
    ...ignored.map(({ source, apiVersion, kind, namespace, name }): MeshProblem => ({
      severity: 'warning',
      source,
      subject: `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`,
      reason: 'NotRead',
      message: `objects of kind ${kind} of ${apiVersion} are not read by Weft`,
    })),
  ];
}

function faultProblem({ file, message }: FileFault): MeshProblem {
  return { severity: 'error', source: { file, line: 1, column: 1 }, subject: '', reason: 'NotReadable', message };
}

function readingProblem({ source, reason, message }: ManifestProblem, kept: readonly string[]): MeshProblem {
  const goesOn = reason !== 'Duplicate' && kept.some((each) => each === source.file || each.startsWith(`${source.file}: `));
  return { severity: 'error', source, subject: '', reason, message: goesOn ? `${message}; the last good version goes on` : message };
}

/** With the position of the field in question rather than of its object. */
export function translationProblem(problem: Problem, state: ClusterState): MeshProblem {
  const { severity, object, path, reason, message } = problem;
  const { kind, namespace, name } = object;
  const source = positionIn(state, problem) ?? problem.source;
  const field = formatPath(path);
  return {
    severity,
    ...(source === undefined ? {} : { source }),
    subject: [`${kind} ${namespace === '' ? name : `${namespace}/${name}`}`, field].filter((part) => part !== '').join(': '),
    reason,
    message,
  };
}

function positionIn(state: ClusterState, { object, path }: { readonly object: Problem['object']; readonly path: FieldPath }): SourcePosition | undefined {
  for (const map of Object.values(state) as ReadonlyMap<string, KubernetesObject>[]) {
    for (const key of [objectKey({ metadata: object }), `${object.kind}/${object.namespace}/${object.name}`]) {
      const found = map.get(key);
      if (found?.kind === object.kind && found.apiVersion === object.apiVersion) return positionOf(found, path);
    }
  }
  return undefined;
}
