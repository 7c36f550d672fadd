import type { Observer } from './observer.ts';

/** What became of one check. Only `failed` makes the exit status 1. */
export type Outcome =
  | { readonly result: 'ok'; readonly message: string }
  | { readonly result: 'warning' | 'failed'; readonly message: string; readonly remedy: string }
  /** It could not be told, or there is nothing to tell. */
  | { readonly result: 'skipped'; readonly message: string };

export interface Check {
  /** Kebab case; stays as it is from version to version, so that scripts can rely on it. */
  readonly id: string;
  /** What is true where it is passed. */
  readonly claim: string;
  /** `pre`: before anything is installed, `post`: after, `always`: both. */
  readonly when: 'pre' | 'post' | 'always';
  /** Of those without which a new Pod of a labelled namespace is refused or waits (`weft check --ready`). */
  readonly forPods?: true;
  /** Rejects where the API server does not tell what has to be known; that is `skipped`. */
  run(observer: Observer): Promise<Outcome>;
}

export type CheckResult = Pick<Check, 'id' | 'claim'> & Outcome;

export const ok = (message: string): Outcome => ({ result: 'ok', message });
export const warning = (message: string, remedy: string): Outcome => ({ result: 'warning', message, remedy });
export const failed = (message: string, remedy: string): Outcome => ({ result: 'failed', message, remedy });
export const skipped = (message: string): Outcome => ({ result: 'skipped', message });
