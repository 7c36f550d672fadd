import type { ServerHttp2Stream } from 'node:http2';
import { pause } from '../events/upstream.ts';
import { streamServer, type OriginServer } from '../proxy-http2-rig.ts';

/** An endpoint of HTTP/2 that does with each attempt at a request what the request's path says. */

const grpcHead = { ':status': 200, 'content-type': 'application/grpc' };

type Call = (stream: ServerHttp2Stream, whole: Promise<void>) => Promise<void>;

function respondWith(stream: ServerHttp2Stream, body: string, grpcStatus: string): void {
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }));
  stream.respond(grpcHead, { waitForTrailers: true });
  stream.end(body);
}

const calls = {
  answers: async (stream, whole) => (await whole, respondWith(stream, 'answer', '0')),
  fails: async (stream, whole) => (await whole, respondWith(stream, 'some', '5')),
  earlyOver: async (stream) => respondWith(stream, 'early', '0'),
  unavailable: async (stream, whole) => (await whole, void stream.respond({ ...grpcHead, 'grpc-status': '14' }, { endStream: true })),
  overloaded: async (stream, whole) => (await whole, void stream.respond({ ':status': 503 }, { endStream: true })),
  breaks: async (stream) => stream.close(2),
  refuses: async (stream) => stream.close(7),
  stops: async (stream, whole) => {
    await whole;
    stream.respond(grpcHead);
    stream.write('part');
    await pause(5);
    stream.close(2);
  },
  stays: async (stream, whole) => {
    await whole;
    stream.respond(grpcHead);
    stream.write('part');
  },
  nothing: async () => {},
} satisfies Record<string, Call>;

export type CallName = keyof typeof calls;
export const callNames = Object.keys(calls) as readonly CallName[];

export interface CallUpstream extends OriginServer {
  /** Attempts at a request that arrived, by its id: the span that each came with. */
  readonly attempts: Map<string, string[]>;
}

export async function callUpstream(): Promise<CallUpstream> {
  const attempts = new Map<string, string[]>();
  const server = await streamServer((stream, { path, headers }) => {
    const [, , id = '', script = ''] = path.split('/');
    const before = attempts.get(id) ?? [];
    attempts.set(id, [...before, String(headers['traceparent']).split('-')[2]!]);
    const names = script.split('-') as CallName[];
    const whole = new Promise<void>((resolve) => stream.on('end', resolve));
    stream.resume();
    void (calls[names[before.length] ?? names.at(-1)!] as Call | undefined)?.(stream, whole.then(() => (stream.destroyed ? new Promise(() => {}) : undefined))).catch(() => {});
  });
  return { ...server, attempts };
}
