#!/usr/bin/env node
// Plain JavaScript that any Node from 20 up can run: finds a Node that runs TypeScript as it is, and goes on in it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const required = 26;
const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, 'main.ts');

if (fits(process.versions.node) && process.features.typescript) {
  // Keeps compiled code between runs; a start costs a fraction then.
  module.enableCompileCache?.();
  await import(pathToFileURL(main).href);
} else {
  const node = findNode();
  if (node === undefined) {
    process.stderr.write(
      `weft needs Node ${required}; this is Node ${process.versions.node}, and no other was found.\n` +
        `Run 'npm ci' without --omit=optional (it installs a Node ${required} for this project alone), or install Node ${required} or newer.\n`,
    );
    process.exitCode = 1;
  } else relay(node);
}

function fits(version) {
  return Number(version.split('.')[0]) >= required;
}

/** The Node that an optional dependency brought: in this package's node_modules, or further up where Weft is a dependency itself. */
function findNode() {
  const names = process.platform === 'win32' ? ['node.exe', 'node.cmd'] : ['node'];
  for (let folder = dirname(here); ; folder = dirname(folder)) {
    for (const name of names) {
      const candidate = join(folder, 'node_modules', '.bin', name);
      if (!existsSync(candidate)) continue;
      const { stdout } = spawnSync(candidate, ['--version'], { encoding: 'utf8', shell: candidate.endsWith('.cmd') });
      if (stdout && fits(stdout.trim().replace(/^v/, ''))) return candidate;
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/** Runs weft in that Node as if this process were it: same terminal, signals passed on, same exit status. */
function relay(node) {
  const launcher = fileURLToPath(import.meta.url);
  const child = spawn(node, [launcher, ...process.argv.slice(2)], { stdio: 'inherit', shell: node.endsWith('.cmd'), env: { ...process.env, WEFT_RELAYED: '1' } });
  // Ctrl-C reaches the child from the terminal as well; it takes signals that come close together for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`weft could not start ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  });
}
