import test, { type ExecutionContext } from 'ava';
import { addresses } from '../component/mesh-rig.ts';
import { compare, judgeClient, readUpstream } from './judge.ts';
import { mark, requestVectors, type Vector } from './request-mutations.ts';
import { readRequests, type ReadRequest, type ReadStream } from './request.ts';
import { byKind, echo, gatewayTo, inLanes, recordingServer, talk, type Carried, type Talk } from './rig.ts';

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
    const fault = judgeClient(one.stream, one.talk) ?? compare(one.stream, byNumber.get(number(index)) ?? []);
    if (fault !== undefined) failures.push(`${one.vector.title}: ${fault}`);
  }
  const count = (is: (stream: ReadStream) => boolean): number => sent.filter(({ stream }) => is(stream)).length;
  t.log(`${vectors.length} mutations in ${seconds.toFixed(1)} s: ${count(({ requests }) => requests.length > 0 && requests[0]!.certainty === 'must')} valid, ${count(({ requests }) => requests[0]?.certainty === 'may')} that may be refused, ${count(({ requests }) => requests.length === 0)} invalid`);
  t.deepEqual(byKind(failures), [], `${failures.length} faults`);
});
