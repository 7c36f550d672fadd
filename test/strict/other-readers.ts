import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { readRequests } from './request.ts';
import { inLanes, talk, type Place } from './rig.ts';

/** Readers that are not ours, and what they take requests for. */

export interface Seen {
  readonly method: string;
  readonly body: string;
}

/** By the number in the target, in order of arrival. */
export type ByNumber = Map<string, Seen[]>;

export function note(seen: ByNumber, target: string, request: Seen): void {
  const key = /[/?][fsv]([1-4]\d{4})/.exec(target)?.[1] ?? `nobody ${target}`;
  seen.set(key, [...(seen.get(key) ?? []), request]);
}

/** A server of `node:http` as it comes. */
export async function nodeServer(t: ExecutionContext, address: string, seen: ByNumber): Promise<Place> {
  // By itself it refuses heads of more than 16 KiB, which we take.
  const server = createServer({ keepAliveTimeout: 5000, maxHeaderSize: 131_072 }, (request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (part: string) => (body += part));
    request.on('error', () => {});
    request.on('end', () => {
      note(seen, request.url ?? '', { method: request.method ?? '', body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.teardown(() => server.close().closeAllConnections());
  return { address, port: (server.address() as AddressInfo).port };
}

/** nginx as a proxy that reads whole requests and sends them on to a recorder. Undefined where there is no nginx. */
export async function nginxBefore(t: ExecutionContext, place: Place, upstream: Place): Promise<Place | undefined> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'weft-nginx-'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
  await writeFile(join(folder, 'nginx.conf'), `daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log crit;
events { worker_connections 512; }
http { access_log off; ${temporary} large_client_header_buffers 8 80k; server { listen ${place.address}:${place.port}; location / { proxy_pass http://${upstream.address}:${upstream.port}; proxy_http_version 1.1; proxy_set_header Connection ""; } } }\n`);
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  for (let attempt = 0; attempt < 100; attempt++) {
    const { outcome, text } = await talk(place, 'GET /ready HTTP/1.0\r\n\r\n', { half: false, cuts: [], timeoutMs: 500 });
    if (outcome === 'ended' && text !== '') return place;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nginx did not start');
}

/** Sends all of it there; what arrives is for the other side to note. */
export async function send(place: Place, texts: readonly string[], half: boolean): Promise<void> {
  await inLanes(texts.length, 16, async (index) => void (await talk(place, texts[index]!, { half, cuts: [], timeoutMs: 1500 })));
}

/** The requests of a connection, each by itself. */
export function cutRequests(text: string): readonly { readonly method: string; readonly target: string; readonly body: string; readonly text: string }[] {
  let from = 0;
  return readRequests(text).requests.map(({ method, target, body, end }) => {
    const one = { method, target, body, text: text.slice(from, end) };
    from = end;
    return one;
  });
}
