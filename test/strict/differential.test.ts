import { METHODS } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { addresses } from '../component/mesh-rig.ts';
import { streamRequestVectors, numbered } from './http2/request-mutations.ts';
import { proxyTo, StreamTalker } from './http2/rig.ts';
import { cutRequests, nginxBefore, nodeServer, note, send, type ByNumber, type Seen } from './other-readers.ts';
import { mark, requestVectors, type Vector } from './request-mutations.ts';
import { readRequests, type ReadRequest } from './request.ts';
import { byKind, echo, gatewayTo, inLanes, recordingServer, talk } from './rig.ts';

/**
 * Framing that the Gateway accepts is read the same way by Node's parser and by nginx: each gets the client's own bytes, and then what the
 * Gateway made of them. They may refuse what the Gateway takes; they must not read other requests in it.
 */

const base = 95;
const lanes = 16;
const number = (index: number): string => String(10_000 + index);

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
  await send(await nodeServer(t, addresses(base)(9), byNode), texts, false);
  const node = disagreements(accepted, byNode);
  t.log(`${accepted.length} streams accepted; node:http reads ${node.whole} of them whole, and no other one differently`);
  const faults = [...node.faults];

  const arrived: ReadRequest[] = [];
  const recorder = await recordingServer(t, addresses(base)(7), echo(arrived));
  const nginx = await nginxBefore(t, { address: addresses(base)(8), port: 18_088 }, { address: addresses(base)(7), port: recorder.port });
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
  await send(await nodeServer(t, addresses(base)(9), byReader), forwarded.map(({ text }) => text), true);
  const read = [...byReader.values()].flat().length;
  t.log(`of ${forwarded.length} requests that it sends on, node:http reads ${read}`);
  t.is(read, forwarded.length);
  t.deepEqual(byKind(faults), []);
});

test('what comes on streams of HTTP/2 and is sent on in HTTP/1.1, node:http and nginx read the same way', async (t) => {
  t.timeout(180_000);
  const recorded: ReadRequest[] = [];
  const upstream = await recordingServer(t, '127.0.0.1', echo(recorded));
  const { place } = await proxyTo(t, upstream.port, 'http1');
  const vectors = streamRequestVectors().filter((_, index) => index < 5000 || index % 3 === 0);
  await inLanes(Math.ceil(vectors.length / 50), lanes, async (share) => {
    for (let index = share * 50, talker = new StreamTalker(place); index < Math.min(vectors.length, share * 50 + 50); index++) {
      if (talker.over !== undefined) talker = new StreamTalker(place);
      const pieces = numbered(vectors[index]!.pieces, number(index));
      await Promise.all([talker.talk(pieces, 'plain', pieces.some(({ end }) => end) ? 4000 : 100), talker.talk(numbered([{ kind: 'headers', fields: [[':method', 'GET'], [':scheme', 'http'], [':authority', 'strict.test'], [':path', `/f${mark}`]], end: true }], number(index)))]);
      if (index === Math.min(vectors.length, share * 50 + 50) - 1) talker.close();
    }
  });
  const requests = upstream.connections.flatMap(({ text }) => cutRequests(text)).filter(({ method, target }) => METHODS.includes(method) && method !== 'CONNECT' && /[/?][fsv][1-4]\d{4}/.test(target));
  t.true(requests.length > 1000, `${requests.length} requests`);
  const expected: ByNumber = new Map();
  for (const { method, target, body } of requests) note(expected, target, { method, body });
  const texts = requests.map(({ text }) => text);
  const sorted = (seen: ByNumber): string => JSON.stringify([...seen].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([key, all]) => [key, all.map((each) => JSON.stringify(each)).toSorted()]));

  const byNode: ByNumber = new Map();
  await send(await nodeServer(t, '127.0.0.1', byNode), texts, true);
  t.is(sorted(byNode), sorted(expected));
  t.log(`of ${requests.length} requests that came on streams, node:http reads every one as it was meant`);

  const arrived: ReadRequest[] = [];
  const recorder = await recordingServer(t, '127.0.0.1', echo(arrived));
  const nginx = await nginxBefore(t, { address: addresses(base)(6), port: 18_089 }, { address: '127.0.0.1', port: recorder.port });
  if (nginx === undefined) {
    t.log('nginx is not installed: not compared');
    return;
  }
  await send(nginx, texts.map((text) => text.replace('\r\n', '\r\nConnection: close\r\n')), false);
  const others: string[] = [];
  // But for what asked whether it was there.
  for (const { method, target, body } of arrived.filter((each) => each.target !== '/ready')) {
    const key = /[/?][fsv]([1-4]\d{4})/.exec(target)?.[1] ?? '';
    if (expected.get(key)?.some((each) => each.method === method && each.body === body) !== true) others.push(`${method} ${target} ${JSON.stringify(body.slice(0, 80))}`);
  }
  t.log(`nginx sends ${arrived.length} of them on, none differently`);
  t.deepEqual(byKind(others), []);
  t.true(arrived.length <= requests.length);
});
