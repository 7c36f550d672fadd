import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { createProxy, Metrics } from '#proxy';
import { compile, decide } from '#routing';
import { decodeHello, decodeRequest, decodeResponse, FrameReader, type RouteTable, type VersionedResource } from '#snapshot';
import { brokenChunk, ChunkedReader, framing, RequestHead } from '../../../proxy/codec/index.ts';
import { defaultLimits } from '../../../proxy/types.ts';
import { resourceFault } from '../../../snapshot/stream/codec.ts';
import { readChunks, Oddities } from '../message.ts';
import { readRequest } from '../request.ts';
import { chunkedBody, message, pieces, request, requestView, table } from './arbitraries.ts';
import { applyTo } from '../../component/proxy-rig.ts';

export interface Fuzzed {
  readonly name: string;
  /** Of the time that there is. */
  readonly share: number;
  /** That each run has; 1 unless set. */
  readonly inputs?: number;
  readonly property: fc.IRawProperty<unknown>;
}

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
}

/** Heads: what the codec accepts, the strict reader reads the same way; however much of a head is there, never another answer. */
const heads = fc.property(fc.tuple(request, fc.nat(200)), ([text, cut]) => {
  const own = text.replaceAll('§', '1');
  const bytes = Buffer.from(own, 'latin1');
  const head = new RequestHead(defaultLimits);
  const part = head.parse(bytes, 0, Math.min(cut, bytes.length));
  const end = head.parse(bytes, 0, bytes.length);
  if (part >= 0 && part !== end) throw new Error(`a part is a head of ${part} bytes, the whole one of ${end}`);
  if (part === -2 && end !== -2) throw new Error('invalid while a part, valid when whole');
  const read = readRequest(own, 0);
  // A table that allows nothing refuses these.
  if (end < 0 || head.escapes !== 0) {
    if (end !== -1 && read.kind === 'request' && read.certainty === 'must') throw new Error(`refused though valid (${head.fields.reason})`);
    return;
  }
  if (read.kind !== 'request') {
    if (read.kind === 'refused' && head.framing !== framing.chunked) throw new Error(`accepted though ${read.reason}`);
    return;
  }
  const length = head.framing === framing.length ? head.contentLength : 0;
  if (head.framing !== framing.chunked && length !== read.body.length) throw new Error(`a body of ${length} bytes is one of ${read.body.length}`);
  if (head.framing !== framing.chunked && end + length !== read.end) throw new Error(`ends at ${end + length}, not ${read.end}`);
});

/** Chunked bodies, in whatever pieces. */
const chunks = fc.property(chunkedBody, fc.array(fc.nat(40), { maxLength: 6 }), (text, cuts) => {
  const odd = new Oddities();
  const read = readChunks(text, 0, odd);
  const reader = new ChunkedReader();
  let data = '';
  let broken = false;
  let p = 0;
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...cuts.toSorted((one, other) => one - other).filter((cut) => cut < bytes.length), bytes.length];
  for (const end of ends) {
    while (p < end && !reader.done && !broken) {
      const next = reader.next(bytes, p, end);
      if (next === brokenChunk) broken = true;
      else {
        data += bytes.toString('latin1', reader.dataStart, reader.dataEnd);
        p = next;
      }
    }
  }
  if ('kind' in read) {
    if (reader.done && !broken) throw new Error(`complete though ${read.kind}`);
    return;
  }
  if (broken && odd.certainty.certainty === 'must') throw new Error('refused though valid');
  if (reader.done && !broken && (data !== read.body || p !== read.end)) throw new Error(`${JSON.stringify(data)} to ${p} is ${JSON.stringify(read.body)} to ${read.end}`);
});

/** Messages of the stream are decoded or refused, and nothing else. */
const messages = fc.property(message, pieces, (text, frames) => {
  decodeRequest(text);
  decodeHello(text);
  const response = decodeResponse(text);
  if (response.ok) for (const each of response.value.resources) resourceFault(response.value.type, each);
  const reader = new FrameReader(1000);
  let held = 0;
  for (const frame of frames) {
    if (reader.push(Buffer.from(frame, 'latin1'), () => (held = 0)) !== undefined) break;
    held += frame.length;
    if (held > 2000) throw new Error('more than a frame is held');
  }
});

/** A table that the shape allows is put into force or refused, and then decides in good time. */
function tables(onFault: (error: unknown) => void): fc.IRawProperty<unknown> {
  const metrics = new Metrics();
  const proxy = createProxy({ now: () => performance.now(), wallClock: () => 0, random: () => 0.5, metrics, onFault });
  return fc.property(table, fc.array(requestView, { maxLength: 4 }), (resource, views) => {
    const received = { name: 'listener/shop/gw/http', version: '1', resource };
    if (resourceFault('RouteTable', received as VersionedResource) !== undefined) return;
    const accepted = resource as RouteTable;
    if (applyTo(proxy, { routeTables: { changed: [accepted] } }).length > 0) return;
    const compiled = compile(accepted);
    for (const { value, ...view } of views) {
      const start = performance.now();
      decide(compiled, { ...view, header: () => value });
      const took = performance.now() - start;
      if (took > 500) throw new Error(`a decision took ${took.toFixed(0)} ms`);
    }
  });
}

/** Those that need no socket. */
export function pureProperties(onFault: (error: unknown) => void): readonly Fuzzed[] {
  return [
    { name: 'heads', share: 0.08, property: heads as fc.IRawProperty<unknown> },
    { name: 'chunked bodies', share: 0.05, property: chunks as fc.IRawProperty<unknown> },
    { name: 'messages of the stream', share: 0.05, property: messages as fc.IRawProperty<unknown> },
    { name: 'route tables', share: 0.08, property: tables(onFault) },
  ];
}

/** Runs a property for its share of the time. Returns how often; throws with the seed and the smallest counterexample. */
export async function fuzz({ name, share, property }: Fuzzed, { seconds, seed }: FuzzOptions): Promise<number> {
  const result = await fc.check(property as fc.IAsyncProperty<unknown>, { seed, numRuns: 100_000_000, interruptAfterTimeLimit: seconds * share * 1000, markInterruptAsFailure: false });
  if (result.failed) throw new Error(`${name}, seed ${seed}: ${fc.defaultReportMessage(result as fc.RunDetails<unknown>) ?? ''}`, { cause: result.errorInstance });
  return result.numRuns;
}

/** Bytes of the heap that are in use after a collection. */
export function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
