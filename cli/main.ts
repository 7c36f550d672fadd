import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { CliEnvironment } from './environment.ts';

/** npm and the launcher can be ended in ways that they can't pass on; what they started must end with them. */
function onParentGone(gone: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined && process.env['WEFT_RELAYED'] === undefined) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    gone();
  }, 500).unref();
}

interface CommandModule {
  register(program: Command, environment: CliEnvironment): void;
}

/** Each command is a file that exports `register`; only the one that is called is loaded. */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  up: () => import('./up.ts'),
  demo: () => import('./demo.ts'),
  explain: () => import('./explain.ts'),
  policy: () => import('./policy.ts'),
  analyze: () => import('./analyze.ts'),
  translate: () => import('./translate.ts'),
  check: () => import('./check.ts'),
  status: () => import('./status.ts'),
  inject: () => import('./inject.ts'),
};

const serving: ReadonlySet<string> = new Set(['up', 'demo']);

const environment: CliEnvironment = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  now: Date.now,
  random: Math.random,
  variables: process.env,
  exitStatus: (status) => {
    process.exitCode = status;
  },
  exit: (status) => process.exit(status),
  onSignal: (listener) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, listener);
    onParentGone(() => listener('SIGHUP'));
  },
};

// A reader that went away (`weft translate | head`) is no fault of ours and must not end in a stack trace; nor must it end what serves.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => serving.has(process.argv[2] ?? '') || process.exit(0));

/** A bundle has no package.json of ours beside it. */
function version(): string {
  const file = new URL('../package.json', import.meta.url);
  const found = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { readonly version?: string }).version : undefined;
  return found ?? 'bundled';
}

async function main(): Promise<void> {
  const program = new Command('weft').enablePositionalOptions().version(version(), '-V, --version', 'Print the version').description('A service mesh for Kubernetes; runs on one machine from plain manifests').showHelpAfterError();
  const named = Object.entries(commands).filter(([name]) => name === process.argv[2]);
  for (const [, load] of named.length > 0 ? named : Object.entries(commands)) (await load()).register(program, environment);
  await program.parseAsync();
}

await main();
