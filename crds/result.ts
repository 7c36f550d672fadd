export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

/** Where in an object: `['spec', 'rules', 0, 'backendRefs', 1]`. */
export type FieldPath = readonly (string | number)[];

/** One fault in one object. */
export interface FieldError {
  readonly path: FieldPath;
  /** What is wrong there and what to do; does not repeat the path. */
  readonly message: string;
}

/** `spec.rules[0].backendRefs[1]`, keys that are no plain names as `["a/b"]`; empty for the object itself. */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
