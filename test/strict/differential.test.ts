import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, METHODS } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { addresses } from '../component/mesh-rig.ts';
import { mark, requestVectors, type Vector } from './request-mutations.ts';
import { readRequests, type ReadRequest } from './request.ts';
import { byKind, echo, gatewayTo, inLanes, recordingServer, talk, type Place } from './rig.ts';

/**
 * Framing that the Gateway accepts is read the same way by Node's parser and by nginx: each gets the client's own bytes, and then what the
 * Gateway made of them. They may refuse what the Gateway takes; they must not read other requests in it.
 */

const base = 95;
const lanes = 16;
const number = (index: number): string => String(10_000 + index);

interface Seen {
  readonly method: string;
  readonly body: string;
}

/** By the number in the target, in order of arrival. */
type ByNumber = Map<string, Seen[]>;

function note(seen: ByNumber, target: string, request: Seen): void {
  const key = /[/?][fsv]([12]\d{4})/.exec(target)?.[1] ?? `nobody ${target}`;
  seen.set(key, [...(seen.get(key) ?? []), request]);
}

/** A server of `node:http` as it comes. */
async function nodeServer(t: ExecutionContext, seen: ByNumber): Promise<Place> {
  const server = createServer({ keepAliveTimeout: 5000 }, (request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (part: string) => (body += part));
    request.on('error', () => {});
    request.on('end', () => {
      note(seen, request.url ?? '', { method: request.method ?? '', body });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, addresses(base)(9), resolve));
  t.teardown(() => server.close().closeAllConnections());
  return { address: addresses(base)(9), port: (server.address() as AddressInfo).port };
}

/** nginx as a proxy that reads whole requests and sends them on to a recorder. Undefined where there is no nginx. */
async function nginxBefore(t: ExecutionContext, upstream: Place): Promise<Place | undefined> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'weft-nginx-'));
  const place = { address: addresses(base)(8), port: 18_088 };
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

interface Accepted {
  readonly key: string;
  readonly text: string;
  readonly requests: readonly Seen[];
}

/** Streams of which the Gateway took every request, and what it made of them. */
async function acceptedStreams(t: ExecutionContext, vectors: readonly Vector[]): Promise<{ readonly accepted: readonly Accepted[]; readonly upstream: readonly string[] }> {
  const arrived: ReadRequest[] = [];
  const upstream = await recordingServer(t, addresses(base)(2), echo(arrived));
  const { place } = await gatewayTo(t, base, upstream.port);
  const streams = vectors.flatMap(({ text }, index) => {
    const own = `${text.replaceAll(mark, number(index))}GET /f${number(index)} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`;
    const { requests, outcome } = readRequests(own);
    // Node goes on after HTTP/1.0 where `close` says to end, or where only `Proxy-Connection` says to go on (RFC 9112, 9.3); that is no framing.
    if (/HTTP\/1\.0[^]*(close, keep-alive|Proxy-Connection)/.test(own)) return [];
    return outcome === 'closed' && requests.every(({ local }) => !local) ? [{ key: number(index), text: own, count: requests.length }] : [];
  });
  await inLanes(streams.length, lanes, async (index) => void (await talk(place, streams[index]!.text, { half: false, cuts: [], timeoutMs: 4000 })));
  const got: ByNumber = new Map();
  for (const { target, method, body } of arrived) note(got, target, { method, body });
  const accepted = streams.flatMap(({ key, text, count }) => {
    const requests = got.get(key) ?? [];
    return requests.length === count ? [{ key, text, requests }] : [];
  });
  return { accepted, upstream: upstream.connections.map(({ text }) => text) };
}

/** Sends all of it there; what arrives is for the other side to note. */
async function send(place: Place, texts: readonly string[], half: boolean): Promise<void> {
  await inLanes(texts.length, lanes, async (index) => void (await talk(place, texts[index]!, { half, cuts: [], timeoutMs: 1500 })));
}

/** Whoever refuses does not disagree; whoever reads other requests does. */
function disagreements(accepted: readonly Accepted[], seen: ByNumber): { readonly faults: readonly string[]; readonly whole: number } {
  const faults: string[] = [];
  let whole = 0;
  for (const { key, text, requests } of accepted) {
    const theirs = seen.get(key) ?? [];
    const index = theirs.findIndex((request, at) => request.method !== requests[at]?.method || request.body !== requests[at].body);
    if (index >= 0) faults.push(`request ${index} is ${JSON.stringify(theirs[index])}, not ${JSON.stringify(requests[index])}: ${JSON.stringify(text)}`);
    else if (theirs.length === requests.length) whole++;
  }
  return { faults, whole };
}

test('framing that the Gateway accepts, node:http and nginx read the same way', async (t) => {
  t.timeout(180_000);
  // The first thousands are spellings and forms; of single bytes every third is enough here, all being judged elsewhere.
  const { accepted, upstream } = await acceptedStreams(t, requestVectors().filter((_, index) => index < 3000 || index % 3 === 0));
  const texts = accepted.map(({ text }) => text);
  t.true(accepted.length > 1000);

  const byNode: ByNumber = new Map();
  await send(await nodeServer(t, byNode), texts, false);
  const node = disagreements(accepted, byNode);
  t.log(`${accepted.length} streams accepted; node:http reads ${node.whole} of them whole, and no other one differently`);
  const faults = [...node.faults];

  const arrived: ReadRequest[] = [];
  const recorder = await recordingServer(t, addresses(base)(7), echo(arrived));
  const nginx = await nginxBefore(t, { address: addresses(base)(7), port: recorder.port });
  if (nginx === undefined) t.log('nginx is not installed: not compared');
  else {
    await send(nginx, texts, false);
    const byNginx: ByNumber = new Map();
    for (const { target, method, body } of arrived) note(byNginx, target, { method, body });
    const other = disagreements(accepted, byNginx);
    t.log(`nginx reads ${other.whole} of them whole, and no other one differently`);
    faults.push(...other.faults);
  }

  // What the Gateway sends on leaves nobody a choice: Node reads every request as it was meant, where it knows the method.
  const forwarded = upstream.flatMap((text) => cutRequests(text)).filter(({ method }) => METHODS.includes(method) && method !== 'CONNECT');
  const byReader: ByNumber = new Map();
  await send(await nodeServer(t, byReader), forwarded.map(({ text }) => text), true);
  const read = [...byReader.values()].flat().length;
  t.log(`of ${forwarded.length} requests that it sends on, node:http reads ${read}`);
  t.is(read, forwarded.length);
  t.deepEqual(byKind(faults), []);
});

function cutRequests(text: string): readonly { readonly method: string; readonly text: string }[] {
  let from = 0;
  return readRequests(text).requests.map(({ method, end }) => {
    const one = { method, text: text.slice(from, end) };
    from = end;
    return one;
  });
}
