import test, { type ExecutionContext } from 'ava';
import { compare, readUpstream } from '../judge.ts';
import { normalTarget } from '../normal-form.ts';
import type { ReadRequest, ReadStream } from '../request.ts';
import { byKind, echo, inLanes, recordingServer, type Place } from '../rig.ts';
import { readStreamRequest, readStreamResponse } from './reader.ts';
import { numbered, streamRequestVectors, type StreamVector } from './request-mutations.ts';
import { echoStream, proxyTo, request, streamOrigin, StreamTalker, type StreamTalk } from './rig.ts';
import type { Piece } from './wire.ts';

/**
 * Every mutation of a request on a stream goes through the proxy, to an upstream of HTTP/1.1 and to one of HTTP/2, between two other requests
 * on the same connection. Some go into the connection's table, and are sent once more by references to it.
 */

const lanes = 16;
/** A client that resets, or makes us reset, more than half of its streams is ended (Rapid Reset); so each vector has company. */
const perConnection = 40;
const number = (index: number): string => String(10_000 + index);

interface Sent {
  readonly vector: StreamVector;
  readonly read: ReturnType<typeof readStreamRequest>;
  /** Of the vector itself, once or twice. */
  readonly own: readonly StreamTalk[];
  readonly before: StreamTalk;
  readonly after: StreamTalk;
}

function isComplete(pieces: readonly Piece[]): boolean {
  return pieces.some(({ end }) => end);
}

async function send(place: Place, vectors: readonly StreamVector[]): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  await inLanes(Math.ceil(vectors.length / perConnection), lanes, async (share) => {
    let talker = new StreamTalker(place);
    for (let index = share * perConnection; index < Math.min(vectors.length, (share + 1) * perConnection); index++) {
      const vector = vectors[index]!;
      const pieces = numbered(vector.pieces, number(index));
      const read = readStreamRequest(pieces);
      // What is never ended hangs until we reset it; what follows it must not.
      const timeoutMs = isComplete(pieces) ? 4000 : 300;
      const [head] = pieces;
      const repeats = index % 3 === 0 && isComplete(pieces) && head?.kind === 'headers' && head.fields.length > 0 && head.fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0) < 4000;
      const [before, first, second, after] = await Promise.all([
        talker.talk(request(`/f${number(index)}`)),
        talker.talk(pieces, repeats ? 'indexed' : 'plain', timeoutMs),
        repeats ? talker.talk(pieces, 'references') : undefined,
        talker.talk(request(`/f${number(index)}`)),
      ]);
      sent[index] = { vector, read, own: second === undefined ? [first] : [first, second], before, after };
      if (talker.over === undefined) continue;
      talker.close();
      talker = new StreamTalker(place);
    }
    talker.close();
  });
  return sent;
}

/** What is wrong with what the client got. */
function judgeClient({ vector, read, own, before, after }: Sent, target: string): string | undefined {
  const lost = own.find(({ outcome }) => outcome === 'lost');
  if (lost !== undefined && read.kind === 'request' && read.certainty === 'must') return `the connection was lost (${lost.why}) by a valid one`;
  for (const [what, talk] of Object.entries({ before, after })) {
    if (lost !== undefined && talk.outcome === 'lost') continue;
    const fault = judgeAnswer(talk, 'GET', target);
    if (fault !== undefined) return `the request ${what} it: ${fault}`;
  }
  for (const talk of own) {
    if (talk.outcome === 'hung') {
      if (!isComplete(numbered(vector.pieces, ''))) continue;
      return 'hung';
    }
    if (read.kind !== 'request') {
      if (talk.outcome === 'ended' && judgeAnswer(talk, 'GET', '') === undefined) return `answered 200 though ${read.kind === 'refused' ? read.reason : 'incomplete'}`;
      continue;
    }
    if (read.certainty === 'may' || read.local) continue;
    const fault = judgeAnswer(talk, read.method, read.target);
    if (fault !== undefined) return `valid: ${fault}`;
  }
  return undefined;
}

/** The upstream answers with the target. */
function judgeAnswer({ pieces, outcome, why }: StreamTalk, method: string, target: string): string | undefined {
  if (outcome !== 'ended') return `${outcome} ${why}`;
  const read = readStreamResponse(pieces, method);
  if (read.kind !== 'response') return `no valid response (${read.kind === 'refused' ? read.reason : 'incomplete'})`;
  if (read.status !== 200) return `${read.status} (${read.fields.find(({ name }) => name === 'x-weft-error')?.value})`;
  if (method !== 'HEAD' && target !== '' && read.body !== `echo ${normalTarget(target)}`) return `the response is ${read.body}`;
  return undefined;
}

/** Requests that the upstream should have got for the vector, in whatever order. */
function judgeUpstream({ read, own, before, after }: Sent, got: readonly ReadRequest[], target: string): string | undefined {
  const isCompany = (one: ReadRequest): boolean => one.target === target;
  const company = got.filter(isCompany).length;
  const due = [before, after].filter(({ outcome }) => outcome === 'ended').length;
  if (company < due || company > 2) return `${company} of its company upstream`;
  const stream: ReadStream = { requests: read.kind === 'request' ? own.map(() => read) : [], outcome: 'open', reason: '', rest: '' };
  return compare(stream, got.filter((one) => !isCompany(one)));
}

function numbersIn({ target }: ReadRequest): string {
  return /[/?][fsv]([1-4]\d{4})/i.exec(target)?.[1] ?? '';
}

function judge(t: ExecutionContext, sent: readonly Sent[], arrived: readonly ReadRequest[], faults: readonly string[]): void {
  const byNumber = Map.groupBy(arrived, numbersIn);
  const failures = [...faults, ...(byNumber.get('') ?? []).filter(({ target }) => !nobodys.has(target)).map(({ method, target }) => `a request of nobody upstream: ${method} ${target}`)];
  for (const [index, one] of sent.entries()) {
    const target = `/f${number(index)}`;
    const fault = judgeClient(one, target) ?? (hasNumber(one) ? judgeUpstream(one, byNumber.get(number(index)) ?? [], target) : undefined);
    if (fault !== undefined) failures.push(`${one.vector.title}: ${fault}`);
  }
  const count = (is: (one: Sent) => boolean): number => sent.filter(is).length;
  t.log(`${sent.length} mutations: ${count(({ read }) => read.kind === 'request' && read.certainty === 'must')} valid, ${count(({ read }) => read.kind === 'request' && read.certainty === 'may')} that may be refused, ${count(({ read }) => read.kind !== 'request')} invalid; ${count(({ own }) => own.length === 2)} repeated by references; ${arrived.length} requests upstream`);
  t.deepEqual(byKind(failures), [], `${failures.length} faults`);
}

/** Targets of vectors whose target is what they are about. */
const nobodys: ReadonlySet<string> = new Set(['/', '/s', '/x']);

function hasNumber({ read }: Sent): boolean {
  return read.kind !== 'request' || numbersIn(read) !== '';
}

test('no mutation of a request on a stream gets to an upstream of HTTP/1.1 but as what a strict reader takes it for', async (t) => {
  t.timeout(240_000);
  const arrived: ReadRequest[] = [];
  const upstream = await recordingServer(t, '127.0.0.1', echo(arrived));
  const { place, faults: own } = await proxyTo(t, upstream.port, 'http1');
  const sent = await send(place, streamRequestVectors());
  await new Promise((resolve) => setTimeout(resolve, 200));
  const faults: string[] = own.map(String);
  for (const { text, ended } of upstream.connections) {
    const read = readUpstream(text);
    faults.push(...read.faults);
    if (read.rest !== '' && !ended) faults.push(`unfinished upstream: ${JSON.stringify(read.rest.slice(0, 300))}`);
  }
  t.true(sent.length > 4000);
  judge(t, sent, arrived, faults);
});

test('nor to one of HTTP/2', async (t) => {
  t.timeout(240_000);
  const upstream = await streamOrigin(t, '127.0.0.1', echoStream);
  const { place, faults: own } = await proxyTo(t, upstream.port, 'http2');
  const sent = await send(place, streamRequestVectors());
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.log(`${upstream.connections()} connections to the upstream`);
  judge(t, sent, upstream.arrived, [...own.map(String), ...upstream.faults]);
});
