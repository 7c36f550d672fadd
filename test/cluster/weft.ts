import { spawnSync } from 'node:child_process';

export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of this clone on the cluster that KUBECONFIG names. */
export function weft(...words: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cli/main.ts', ...words], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

/** What it prints with `-o json`. Throws what it says where it prints none. */
export function json(...words: readonly string[]): Record<string, unknown> {
  const { out, err } = weft(...words, '-o', 'json');
  if (out === '') throw new Error(err);
  return JSON.parse(out) as Record<string, unknown>;
}

/** What `weft status` says of the proxies of a namespace. */
export function proxiesOf(namespace: string): readonly { readonly id: string; readonly state: string; readonly wanted: string; readonly acknowledged: string; readonly role: string; readonly connectedAt?: string }[] {
  return json('status', '-n', namespace)['proxies'] as ReturnType<typeof proxiesOf>;
}
