import { existsSync } from 'node:fs';
import { Command } from 'commander';
import type { CliEnvironment } from './environment.ts';

/** Each is a file `cli/{name}.ts` that exports `register(program, environment)`; only the one that is called is loaded. */
const commands = ['up', 'demo', 'explain', 'policy', 'analyze', 'translate', 'inject'] as const;

interface CommandModule {
  register(program: Command, environment: CliEnvironment): void;
}

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
  },
};

// A reader that went away (`weft translate | head`) is no fault of ours and must not end in a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(0));

const fileOf = (name: string): URL => new URL(`./${name}.ts`, import.meta.url);

async function main(): Promise<void> {
  const program = new Command('weft').enablePositionalOptions().description('A service mesh for Kubernetes; runs on one machine from plain manifests').showHelpAfterError();
  const named = commands.filter((name) => process.argv[2] === name);
  for (const name of named.length > 0 ? named : commands) {
    if (!existsSync(fileOf(name))) continue;
    const loaded = (await import(fileOf(name).href)) as CommandModule;
    loaded.register(program, environment);
  }
  await program.parseAsync();
}

await main();
