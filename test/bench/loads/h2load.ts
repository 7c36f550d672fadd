import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cores } from '../programs/program.ts';
import type { Done } from './types.ts';

export interface H2Load {
  readonly port: number;
  readonly connections: number;
  readonly streams: number;
  readonly requests: number;
  /** The gRPC frame that each call sends. */
  readonly messageFile: string;
}

const headers = ['content-type: application/grpc', 'te: trailers', 'user-agent: grpc-go/1.60.0', 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'grpc-timeout: 10S'];

/** Unary gRPC calls. Rejects where one was not answered 200. */
export async function h2load({ port, connections, streams, requests, messageFile }: H2Load): Promise<Done> {
  const words = ['-c', cores.load, 'h2load', '-t1', '-n', String(requests), '-c', String(connections), '-m', String(streams), '-d', messageFile, ...headers.flatMap((header) => ['-H', header]), `http://127.0.0.1:${port}/svc/M`];
  const { stdout } = await promisify(execFile)('taskset', words, { timeout: 60_000 });
  const succeeded = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1] ?? 0);
  if (succeeded !== requests) throw new Error(`${succeeded} of ${requests} calls succeeded`);
  const [, amount, unit] = /finished in ([\d.]+)(us|ms|s|m)/.exec(stdout) ?? [];
  return { requests, seconds: Number(amount) * ({ us: 1e-6, ms: 1e-3, s: 1, m: 60 }[unit ?? 's'] ?? 1) };
}
