import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { startProxy, type Target } from './proxy.ts';
import { startSmallServer, type SmallServerOptions } from './server.ts';

/**
 * Runs h2spec, strict, in the clear and over TLS: against a small server on our codec, and through the whole proxy to endpoints of HTTP/1.1 and
 * HTTP/2. Exit code 1 where a test fails, 0 where h2spec is absent.
 */

const binary = findBinary();
if (binary === undefined) {
  console.log('h2spec: SKIPPED, there is no h2spec. See test/h2spec/README.md for how to get it.');
  process.exit(0);
}
const failures: number[] = [];
for (const kind of ['h2c', 'tls'] as const) {
  failures.push(await run(binary, kind, startSmallServer, 'codec alone'));
  for (const protocol of ['http1', 'http2'] as const) failures.push(await run(binary, kind, (options) => startProxy(protocol, options), `proxy to ${protocol}`));
}
process.exit(failures.some((count) => count > 0) ? 1 : 0);

async function run(h2spec: string, kind: 'h2c' | 'tls', start: (options: SmallServerOptions) => Promise<Target>, what: string): Promise<number> {
  const tls = kind === 'tls' ? certificate() : undefined;
  const server = await start(tls === undefined ? {} : { tls });
  const output = await outputOf(h2spec, ['-S', '-h', '127.0.0.1', '-p', String(server.port), '-o', '2', ...(tls === undefined ? [] : ['-t', '-k'])]);
  await server.close();
  const summary = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output);
  if (summary === null || Number(summary[4]) > 0) console.log(output);
  console.log(`h2spec ${what}, ${kind}: ${summary?.[0] ?? 'no result'}`);
  for (const fault of server.faults) console.log('fault of ours:', fault);
  return summary === null ? 1 : Number(summary[4]) + Number(summary[3]) + server.faults.length;
}

function outputOf(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.on('close', () => resolve(output));
  });
}

function findBinary(): string | undefined {
  const named = process.env['H2SPEC'];
  if (named !== undefined) return named;
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'h2spec'))
    .find((path) => existsSync(path));
}

function certificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'h2spec-'));
  const key = join(folder, 'key');
  const cert = join(folder, 'crt');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(folder, { recursive: true });
  return pair;
}
