import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cores, goesFirst } from '../programs/program.ts';

/** Runs a client of this folder on the core of the load and returns the JSON that it prints. `first`: before all that is not. */
export async function runClient(file: string, words: readonly (string | number)[], first?: 'first'): Promise<unknown> {
  const child = spawn('taskset', ['-c', cores.load, ...(first === undefined ? [] : ['chrt', ...goesFirst]), process.execPath, join(import.meta.dirname, file), ...words.map(String)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${file}: ${errors.trim().slice(-1000)}`);
  return JSON.parse(output);
}
