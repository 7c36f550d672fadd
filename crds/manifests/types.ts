import type { KubernetesObject, SourcePosition } from '../object.ts';
import type { FieldPath } from '../result.ts';

export interface ManifestFile {
  /** As it shall stand in positions. */
  readonly file: string;
  readonly text: string;
}

/** What could be read of the identity of an object; fields that are missing or no strings are empty. */
export interface WrittenName {
  readonly apiVersion: string;
  readonly kind: string;
  /** As written: without the default. */
  readonly namespace: string;
  readonly name: string;
}

export interface ManifestProblem {
  readonly source: SourcePosition;
  readonly reason: 'TooLarge' | 'SyntaxError' | 'InvalidObject' | 'UnknownKind' | 'UnknownVersion' | 'Duplicate';
  /** What, where in the object, and what to do. */
  readonly message: string;
  /** Absent where the text is no object. */
  readonly object?: WrittenName;
  /** The field in the object; empty for the whole. */
  readonly path: FieldPath;
}

/** An object of a kind that is not read here, such as a Deployment. */
export interface IgnoredObject extends WrittenName {
  readonly source: SourcePosition;
}

export interface Manifests {
  /** In the order of the files. */
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly ManifestProblem[];
  readonly ignored: readonly IgnoredObject[];
}

/** Says after how much work to give way: `Pace` of the snapshot folder, say. */
export interface Pace {
  /** Whether it is time, with these items. */
  spend(items?: number): boolean;
}
