import test, { type ExecutionContext } from 'ava';
import { answering, number, readAnswers, type Answered } from '../answering.ts';
import { differs, isInjected, judgeAnswer } from '../judge-answer.ts';
import type { Incomplete, Refused } from '../message.ts';
import type { ReadResponse } from '../response.ts';
import { responseVectors } from '../response-mutations.ts';
import { byKind, inLanes, recordingServer, talk, type Place } from '../rig.ts';
import { readStreamResponse } from './reader.ts';
import { numbered } from './request-mutations.ts';
import { streamAnswers } from './response-mutations.ts';
import { proxyTo, request, streamOrigin, StreamTalker, type Serve, type StreamTalk } from './rig.ts';
import { frame, number as number32, type, type Piece } from './wire.ts';

/**
 * An upstream answers with every mutation, on streams of one connection or on connections of HTTP/1.1, each between two other requests. What
 * the client gets, on a stream or in HTTP/1.1, is compared with what a strict reader makes of the answer.
 */

const lanes = 16;

type Read = ReadResponse | Refused | Incomplete;

interface Expected {
  readonly title: string;
  readonly method: 'GET' | 'HEAD';
  readonly read: Read;
}

function asked(method: string, path: string): readonly Piece[] {
  return request(path).map((piece) => (piece.kind === 'headers' ? { ...piece, fields: piece.fields.map(([name, value]) => [name, name === ':method' ? method : value] as const) } : piece));
}

/** What is wrong with what a client got on a stream. */
function judgeStream({ read, method }: Expected, { pieces, outcome, why }: StreamTalk): string | undefined {
  const isValid = read.kind === 'response' && read.certainty === 'must';
  const got = readStreamResponse(pieces, method);
  if (outcome === 'hung') return 'hung';
  if (outcome === 'lost') return `the connection was lost (${why})`;
  if (got.kind === 'refused') return `the client got no valid response (${got.reason})`;
  if (outcome === 'reset') return isValid ? `valid, and reset (${why})` : undefined;
  if (got.kind === 'incomplete') return 'incomplete';
  if (isInjected([got]) && !(read.kind === 'response' && isInjected([read]))) return 'injected';
  const own = got.status === 502 && got.fields.some(({ name }) => name === 'x-weft-error');
  if (read.kind !== 'response') return own ? undefined : `relayed though ${read.kind === 'refused' ? read.reason : 'incomplete'}`;
  return own && !isValid ? undefined : differs(read, got);
}

function judgeCompany({ pieces, outcome, why }: StreamTalk, target: string): string | undefined {
  const read = readStreamResponse(pieces, 'GET');
  if (outcome !== 'ended') return `${outcome} ${why}`;
  return read.kind === 'response' && read.body === target ? undefined : `got another response: ${JSON.stringify(pieces).slice(0, 300)}`;
}

/** Asks for every vector on streams. */
async function askOnStreams(place: Place, expected: readonly Expected[]): Promise<readonly string[]> {
  const failures: string[] = [];
  const talkers = Array.from({ length: lanes }, () => new StreamTalker(place));
  await Promise.all(
    talkers.map(async (talker, lane) => {
      for (let index = lane; index < expected.length; index += lanes) {
        const one = expected[index]!;
        const target = `/f${number(index)}`;
        const [before, own, after] = await Promise.all([talker.talk(request(target)), talker.talk(asked(one.method, `/r${number(index)}`)), talker.talk(request(target))]);
        const fault = judgeStream(one, own) ?? judgeCompany(before, target) ?? judgeCompany(after, target);
        if (fault !== undefined) failures.push(`${one.title}: ${fault}`);
      }
      talker.close();
    }),
  );
  return failures;
}

/** Asks for every vector in HTTP/1.1, with another request behind it. */
async function askInLines(place: Place, expected: readonly Expected[]): Promise<readonly string[]> {
  const failures: string[] = [];
  await inLanes(expected.length, lanes, async (index) => {
    const { title, method, read } = expected[index]!;
    const behind = `GET /f${number(index)} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`;
    // Company: an upstream whose streams end in resets for the most part is left (Rapid Reset).
    const [got] = await Promise.all([
      talk(place, `${method} /r${number(index)} HTTP/1.1\r\nHost: strict.test\r\n\r\n${behind}`, { half: false, cuts: [], timeoutMs: 4000 }),
      talk(place, behind, { half: false, cuts: [], timeoutMs: 4000 }),
    ]);
    const fault = judgeAnswer({ method, read }, number(index), got);
    if (fault !== undefined) failures.push(`${title}: ${fault}`);
  });
  return failures;
}

/** `/f…`: the target. `/r…`: the vector of that number; what is never ended is broken off. */
function answeringStreams(pieces: readonly (readonly Piece[])[]): Serve {
  return (peer, id, { target }) => {
    const vector = pieces[Number(target.slice(2)) - 10_000];
    if (target.startsWith('/f') || vector === undefined) {
      peer.sendPiece(id, { kind: 'headers', fields: [[':status', '200']], end: false });
      peer.sendPiece(id, { kind: 'data', text: target, end: true });
      return;
    }
    for (const piece of vector) peer.sendPiece(id, piece);
    if (!vector.some(({ end }) => end)) peer.send(frame(type.reset, 0, id, number32(2)));
  };
}

function tell(t: ExecutionContext, expected: readonly Expected[], failures: readonly string[]): void {
  const count = (is: (read: Read) => boolean): number => expected.filter(({ read }) => is(read)).length;
  t.log(`${expected.length} responses: ${count((read) => read.kind === 'response' && read.certainty === 'must')} valid, ${count((read) => read.kind === 'response' && read.certainty === 'may')} that may be refused, ${count((read) => read.kind !== 'response')} invalid`);
  t.deepEqual(byKind(failures), [], `${failures.length} faults`);
  t.true(expected.length > 4000);
}

for (const [to, ask] of [['on a stream', askOnStreams], ['in HTTP/1.1', askInLines]] as const) {
  test(`no mutation of a response on a stream reaches a client ${to} but as what a strict reader takes it for`, async (t) => {
    t.timeout(240_000);
    const vectors = streamAnswers();
    const pieces = vectors.map((vector, index) => numbered(vector.pieces, number(index)));
    const expected = vectors.map(({ title, method }, index): Expected => ({ title, method, read: readStreamResponse(pieces[index]!, method) }));
    const upstream = await streamOrigin(t, '127.0.0.1', answeringStreams(pieces));
    const { place, faults } = await proxyTo(t, upstream.port, 'http2');
    const failures = await ask(place, expected);
    t.log(`${upstream.connections()} connections to the upstream`);
    tell(t, expected, [...faults.map(String), ...upstream.faults, ...failures]);
  });
}

test('no mutation of a response in HTTP/1.1 reaches a client on a stream but as what a strict reader takes it for', async (t) => {
  t.timeout(240_000);
  // All of them go to clients of HTTP/1.1 elsewhere.
  const vectors = responseVectors().filter((_, index) => index % 3 === 0);
  const answers: readonly Answered[] = readAnswers(vectors);
  const reused: string[] = [];
  const upstream = await recordingServer(t, '127.0.0.1', answering(answers, reused));
  const { place, faults } = await proxyTo(t, upstream.port, 'http1');
  const expected = answers.map(({ vector, read }): Expected => ({ title: vector.title, method: vector.method, read }));
  const failures = await askOnStreams(place, expected);
  tell(t, expected, [...faults.map(String), ...reused, ...failures]);
});
