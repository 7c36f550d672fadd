import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cores } from '../programs/program.ts';
import type { Done } from './types.ts';

export interface PacedLoad {
  readonly url: string;
  readonly connections: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** Bytes that every answer's body has. */
  readonly bodyBytes: number;
}

/** Requests of HTTP/1.1, so many a second whatever the proxy could do, evenly over the connections. Rejects where an answer was not what it should be. */
export async function paced({ url, connections, perSecond, seconds, headers, bodyBytes }: PacedLoad): Promise<Done> {
  const requests = Math.round((perSecond * seconds) / connections) * connections;
  const words = ['-c', cores.load, 'h2load', '--h1', '-t1', '-n', String(requests), '-c', String(connections), '--rps', String(perSecond / connections), ...headers.flatMap((header) => ['-H', header]), url];
  const { stdout } = await promisify(execFile)('taskset', words, { timeout: 60_000 });
  const succeeded = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1] ?? 0);
  if (succeeded !== requests) throw new Error(`${succeeded} of ${requests} requests succeeded`);
  const bytes = Number(/\((\d+)\) data/.exec(stdout)?.[1] ?? 0);
  if (bytes !== requests * bodyBytes) throw new Error(`${bytes} bytes in ${requests} answers, which should have ${bodyBytes} each`);
  return { requests, seconds };
}
