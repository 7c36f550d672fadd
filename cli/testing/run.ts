import { Command } from 'commander';
import * as analyze from '../analyze.ts';
import type { CliEnvironment } from '../environment.ts';
import * as explain from '../explain.ts';
import * as policy from '../policy.ts';
import * as translate from '../translate.ts';

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

/** For tests: what those commands print that ask and end. */
export async function weft(...words: readonly string[]): Promise<Ran> {
  let out = '';
  let err = '';
  let status = 0;
  const environment: CliEnvironment = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    now: () => Date.UTC(2027, 0, 1),
    random: () => 0,
    variables: {},
    exitStatus: (code) => void (status = code),
    exit: () => undefined,
    onSignal: () => undefined,
  };
  const program = new Command('weft').enablePositionalOptions().exitOverride();
  for (const command of [analyze, explain, policy, translate]) command.register(program, environment);
  await program.parseAsync(['node', 'weft', ...words]);
  return { out, err, status };
}
