import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** gRPC's own interop programs (Go): a client that plays one case and fails loudly, and the server that the cases are written for. */

export interface Programs {
  readonly client: string;
  readonly server: string;
}

/** In the folder that GRPC_INTEROP names; undefined where they are not. */
export function findPrograms(folder: string | undefined): Programs | undefined {
  if (folder === undefined) return undefined;
  const programs = { client: join(folder, 'client'), server: join(folder, 'server') };
  return existsSync(programs.client) && existsSync(programs.server) ? programs : undefined;
}

/** The cases of the client that need no credentials of a cloud. */
export const cases = [
  'empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream', 'timeout_on_sleeping_server',
  'cancel_after_begin', 'cancel_after_first_response', 'status_code_and_message', 'special_status_message', 'custom_metadata',
  'unimplemented_method', 'unimplemented_service',
] as const;

/**
 * What the client offers beyond the 14: metrics of ORCA in trailers and as a stream, many calls on one connection, a connection for each.
 * pick_first_unary is left out: the server in Go does not tell its name, so that it fails without anything in between too.
 */
export const moreCases = ['orca_per_rpc', 'orca_oob', 'rpc_soak', 'channel_soak'] as const;

/** Cases of ORCA look at what this load balancer, which the client brings along, was told. */
const orca = ['-service_config_json', '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'];

export interface Server {
  readonly port: number;
  close(): void;
}

const caseMs = 30_000;
const startMs = 10_000;

export function startServer({ server }: Programs, args: readonly string[]): Promise<Server> {
  const child = spawn(server, ['-port', '0', ...args], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: 'info' } });
  return new Promise((resolve, reject) => {
    let text = '';
    const late = setTimeout(() => reject(new Error(`the interop server did not start:\n${text}`)), startMs);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the interop server ended with ${code}:\n${text}`)));
    child.stderr.on('data', (bytes: Buffer) => {
      text = (text + bytes.toString()).slice(-10_000);
      const port = /listening on \S*:(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      clearTimeout(late);
      resolve({ port: Number(port), close: () => child.kill('SIGKILL') });
    });
  });
}

export interface Outcome {
  readonly passed: boolean;
  /** What the client said. */
  readonly output: string;
}

/** One case; a client that has not ended after half a minute has failed. */
export function runCase({ client }: Programs, name: string, args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Outcome> {
  const child: ChildProcess = spawn(client, ['-test_case', name, ...(name.startsWith('orca') ? orca : []), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: 'error', ...environment },
    timeout: caseMs,
    killSignal: 'SIGKILL',
  });
  return new Promise((resolve) => {
    let output = '';
    const note = (bytes: Buffer): void => {
      output = (output + bytes.toString()).slice(-10_000);
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    child.once('error', (error) => resolve({ passed: false, output: error.message }));
    child.once('close', (code, signal) => resolve({ passed: code === 0, output: signal === null ? output : `${output}\nended by ${signal}` }));
  });
}
