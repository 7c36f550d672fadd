import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cores } from '../programs/program.ts';
import { routeHosts, routePrefixes } from '../targets/types.ts';
import type { Done } from './types.ts';

export interface WrkLoad {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** Bytes that every answer's body has. */
  readonly bodyBytes: number;
  /** A Lua script of `writeScripts`. */
  readonly script: string;
  /** That of the load unless set. */
  readonly cores?: string;
}

/** As a browser sends them: 480 bytes of head. */
export const browserHeaders = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language: en-US,en;q=0.5',
  'Accept-Encoding: gzip, deflate, br',
  'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
];

const summary = `done = function(summary)
  local e = summary.errors
  io.write(string.format("\\nsummary %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration, e.connect + e.read + e.status + e.timeout))
end
`;

/** One prints a summary that is exact; the other asks for every route of `routes` in turn too. */
export function writeScripts(folder: string): { readonly one: string; readonly routes: string } {
  const quoted = (values: readonly string[]): string => values.map((value) => `"${value}"`).join(', ');
  const everyRoute = `${summary}
local hosts = { ${quoted(routeHosts)} }
local prefixes = { ${quoted(routePrefixes)} }
local requests, at = {}, 0
init = function()
  for _, prefix in ipairs(prefixes) do
    for _, host in ipairs(hosts) do
      wrk.headers["Host"] = host
      requests[#requests + 1] = wrk.format("GET", prefix .. "/items/42?view=full")
    end
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
`;
  const paths = { one: join(folder, 'one.lua'), routes: join(folder, 'routes.lua') };
  writeFileSync(paths.one, summary);
  writeFileSync(paths.routes, everyRoute);
  return paths;
}

/** Rejects where an answer was not what it should be: the figure would mean nothing. */
export async function wrk({ url, connections, seconds, headers, bodyBytes, script, cores: pinned = cores.load }: WrkLoad): Promise<Done> {
  const words = ['-c', pinned, 'wrk', `-t${pinned.split(',').length}`, `-c${connections}`, `-d${seconds}s`, '-s', script, ...headers.flatMap((header) => ['-H', header]), url];
  const { stdout } = await promisify(execFile)('taskset', words);
  const [requests = 0, bytes = 0, micros = 0, failed = 0] = (/summary (\d+) (\d+) (\d+) (\d+)/.exec(stdout)?.slice(1) ?? []).map(Number);
  if (requests === 0 || failed > 0) throw new Error(`${requests} requests, ${failed} failed`);
  if (bytes < requests * bodyBytes) throw new Error(`${bytes} bytes in ${requests} answers, which should have ${bodyBytes} each`);
  return { requests, seconds: micros / 1e6 };
}
