import type { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { addresses } from '../component/mesh-rig.ts';
import { compare, readUpstream } from './judge.ts';
import { mark, requestVectors, type Vector } from './request-mutations.ts';
import { readRequest, readRequests, type ReadRequest, type ReadStream } from './request.ts';
import { readResponses } from './response.ts';
import { byKind, gatewayTo, inLanes, recordingServer, talk, type Carried, type Talk } from './rig.ts';

/**
 * Every mutation goes through a Gateway to an upstream that keeps its bytes, with another request behind it on the same connection. What
 * arrives is compared with what a strict reader makes of what was sent.
 */

const base = 91;
const lanes = 24;

interface Sent {
  readonly vector: Vector;
  readonly stream: ReadStream;
  readonly talk: Talk;
}

const number = (index: number): string => String(10_000 + index);

/** Answers every whole request with its target; what is no request ends the connection. */
function echo(arrived: ReadRequest[]): (socket: Socket, carried: Carried) => void {
  const offsets = new WeakMap<Carried, number>();
  return (socket, carried) => {
    let p = offsets.get(carried) ?? 0;
    for (;;) {
      const read = readRequest(carried.text, p);
      if (read.kind === 'incomplete') break;
      if (read.kind === 'refused') {
        socket.destroy();
        break;
      }
      p = read.end;
      arrived.push(read);
      const body = `echo ${read.target}`;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${read.method === 'HEAD' ? '' : body}`, 'latin1');
    }
    offsets.set(carried, p);
  };
}

function judgeClient({ stream, talk: { text, outcome } }: Sent): string | undefined {
  if (outcome === 'hung') return `hung with ${JSON.stringify(text.slice(0, 200))}`;
  // A request that is refused may still have said that it is HEAD.
  const methods = [...stream.requests.map(({ method }) => method), /^\s*HEAD /.test(stream.rest) ? 'HEAD' : 'GET'];
  const { responses, fault } = readResponses(text, methods);
  if (fault !== undefined) return `the client got no valid response (${fault}): ${JSON.stringify(text.slice(0, 300))}`;
  const allowed = stream.requests.length + (stream.outcome === 'open' || stream.outcome === 'closed' ? 0 : 1);
  if (responses.length > allowed) return `${responses.length} responses for ${allowed} requests`;
  for (const [index, request] of stream.requests.entries()) {
    if (request.certainty === 'may') break;
    const response = responses[index];
    if (response === undefined) return `no response for ${request.method} ${request.target}`;
    if (request.local) continue;
    if (response.status !== 200) return `${response.status} for the valid ${request.method} ${request.target}`;
    const echoed = response.body.replace('echo /', '');
    if (request.method !== 'HEAD' && !/%|\/\./.test(request.target) && !request.target.endsWith(echoed)) return `the response for ${request.target} is that for ${echoed}`;
  }
  return undefined;
}

function numbersIn(text: string): string[] {
  return [...new Set(text.match(/[/?][fsv][12]\d{4}/g)?.map((match) => match.slice(2)))];
}

/** What the upstream got in order of arrival, by the number of the vector; and what it should not have got from anybody. */
function sortUpstream(t: ExecutionContext, connections: readonly Carried[], arrived: readonly ReadRequest[]): { readonly byNumber: ReadonlyMap<string, readonly ReadRequest[]>; readonly faults: readonly string[] } {
  const byNumber = new Map<string, ReadRequest[]>();
  const faults: string[] = [];
  for (const { text, ended } of connections) {
    const read = readUpstream(text);
    faults.push(...read.faults);
    // An upload that turned out to be invalid was cut; nothing may follow on that connection.
    if (read.rest !== '' && !ended) faults.push(`unfinished upstream: ${JSON.stringify(read.rest.slice(0, 300))}`);
  }
  for (const request of arrived) {
    const key = numbersIn(request.target)[0];
    if (key === undefined) faults.push(`a request of nobody upstream: ${request.method} ${request.target}`);
    else byNumber.set(key, [...(byNumber.get(key) ?? []), request]);
  }
  t.log(`${connections.length} connections to the upstream, ${arrived.length} requests`);
  return { byNumber, faults };
}

test('no mutation of a request gets upstream but as what a strict reader takes it for, and what is valid is served', async (t) => {
  t.timeout(180_000);
  const arrived: ReadRequest[] = [];
  const upstream = await recordingServer(t, addresses(base)(2), echo(arrived));
  const { place } = await gatewayTo(t, base, upstream.port);
  const vectors = requestVectors();
  t.true(vectors.length >= 4000);
  const sent: Sent[] = [];
  const start = performance.now();
  await inLanes(vectors.length, lanes, async (index) => {
    const vector = vectors[index]!;
    const own = vector.text.replaceAll(mark, number(index));
    const text = `${own}GET /f${number(index)} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`;
    const stream = readRequests(text);
    const cuts = index % 8 === 0 ? [Math.floor((own.length * (index % 7)) / 7), own.length - 1].sort((one, other) => one - other) : [];
    sent[index] = { vector, stream, talk: await talk(place, text, { half: stream.outcome === 'incomplete' || stream.outcome === 'open', cuts, timeoutMs: 4000 }) };
  });
  const seconds = (performance.now() - start) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { byNumber, faults } = sortUpstream(t, upstream.connections, arrived);
  const failures = [...faults];
  for (const [index, one] of sent.entries()) {
    const fault = judgeClient(one) ?? compare(one.stream, byNumber.get(number(index)) ?? []);
    if (fault !== undefined) failures.push(`${one.vector.title}: ${fault}`);
  }
  const count = (is: (stream: ReadStream) => boolean): number => sent.filter(({ stream }) => is(stream)).length;
  t.log(`${vectors.length} mutations in ${seconds.toFixed(1)} s: ${count(({ requests }) => requests.length > 0 && requests[0]!.certainty === 'must')} valid, ${count(({ requests }) => requests[0]?.certainty === 'may')} that may be refused, ${count(({ requests }) => requests.length === 0)} invalid`);
  t.deepEqual(byKind(failures), [], `${failures.length} faults`);
});
