import type { Framing, OutputBuffer } from '../codec/index.ts';
import type { PooledEndpoint } from '../configuration/backends.ts';
import type { Context } from '../context.ts';
import type { HeaderEdits } from '#routing';
import type { Reply } from '../exchange/replies.ts';
import type { FailureCode } from '../failures.ts';
import type { Binding } from '../listening/binding.ts';
import type { TimeoutSettings } from '../retry/index.ts';

/**
 * The two sides of an exchange. It knows neither what the client speaks nor what the endpoint does: both sides take the parts of a message one
 * after the other and write them as their protocol wants them.
 *
 * Bytes are lent everywhere: they hold until the call returns. What was put together in `context.output` leaves with `flush`, before anything
 * else is begun there.
 */

/** A client's connection, as bindings know it. */
export interface Client {
  readonly address: string;
  /** TLS server name, lower case; empty without one. */
  readonly serverName: string;
  /** Takes over the policy of the section that the client's requests turn out to be for. */
  adopt(timeouts: TimeoutSettings): void;
  /** Takes no further request: closes when those under way are over. */
  closeIdle(): void;
  /** At once. `why`: of what is under way, for the log and the metrics. */
  cut(why: FailureCode): void;
}

/** How a response is passed on, where that differs from how it came. */
export interface ResponseEdits {
  readonly edits: HeaderEdits | undefined;
  readonly cors: HeaderEdits | undefined;
}

/** What a client's connection says of where a request came from, in the two ways it is written. */
export interface ForwardedFields {
  /** As lines of HTTP/1.1. */
  putLines(output: OutputBuffer, authority: string): void;
  /** The same as part of a header block. */
  encoded(authority: string): Buffer;
}

/** The client's side of one request: a connection of HTTP/1.1, or a stream of HTTP/2. */
export interface Downstream {
  readonly context: Context;
  readonly binding: Binding;
  readonly client: Client;
  readonly forwarded: ForwardedFields;
  readonly protocol: 'HTTP/1' | 'HTTP/2';
  /** The client takes nothing now: `Exchange.clientDrained` is called when it does. */
  readonly congested: boolean;
  /** Whether bytes of the body that `RequestBody` gets may be used again by their owner. */
  readonly lendsBytes: boolean;
  /** Where bytes can pass as they are, after 101 or CONNECT. */
  readonly tunnels: Tunnels | undefined;
  /** Whether the connection is to end with the current response. `now` in milliseconds. */
  expiring(now: number): boolean;
  /** Makes `context.requestHead` say again what the head of the current request says. */
  showHead(): void;
  /** A 1xx response: `context.responseHead`, which lies in `bytes`. */
  interim(bytes: Buffer): void;
  /** Head of the final response: `context.responseHead`. */
  head(bytes: Buffer, edits: ResponseEdits): void;
  body(bytes: Buffer, start: number, end: number): void;
  /** The response is complete. `trailers`: where `context.trailers` lies; undefined where there are none. */
  end(trailers: Buffer | undefined): void;
  /** What was put together leaves. */
  flush(): void;
  /** A whole response of our own, in place of any other. `rest`: the request is not complete, what is left of it is read and dropped first. */
  reply(reply: Reply): 'over' | 'rest';
  /** A response that began can't be completed; the client must not take it for complete. */
  cut(code: FailureCode): void;
  /** Whether `cut` tells a client of gRPC why, by a status; absent: never. */
  tellsStatus?(code: FailureCode): boolean;
  /** The exchange is over, its response has been passed on in full. */
  exchangeEnded(now: number): void;
  /** The request's body has to wait. */
  pause(): void;
  /** It goes on, first with what was held back (`RequestBody.takesBytes`). */
  resume(): void;
}

/** Something that takes a client's bytes as they are, after 101 or CONNECT. */
export interface TunnelEnd {
  /** It takes nothing now, and resumes the client when it does. */
  readonly congested: boolean;
  /** Bytes that nobody else will change. */
  fromClient(bytes: Buffer): void;
  /** The same of bytes that are lent. */
  lentByClient(bytes: Buffer, start: number, end: number): void;
  /** The client sends no more. */
  clientEnded(): void;
  /** The client is gone, or is cut off: its connection is closed by force, its stream was reset or is lost with its connection. */
  clientClosed(why: FailureCode): void;
  /** What was written to the client has left. */
  clientDrained(): void;
  /** When a byte last went through, in milliseconds. */
  readonly activity: number;
  /** 0: no limit. */
  readonly idleMs: number;
  /** When its time is over, whatever goes through it; `Infinity`: never. */
  readonly endsAt: number;
  /** To be called at `endsAt`, which is later then. False: it has not ended in the time that it had for that. */
  grownOld(now: number): boolean;
}

/** A client's connection that can become a tunnel, or a stream of one. */
export interface Tunnels {
  readonly congested: boolean;
  /** Answers: accepts a WebSocket, with what `context.responseHead` has beside (`bytes`), or says 200 to CONNECT. From now on bytes pass, first what the client has sent ahead; so does its end, if that has come. */
  becomeTunnel(tunnel: TunnelEnd, bytes: Buffer | undefined): void;
  write(output: OutputBuffer): void;
  pause(): void;
  resume(): void;
  /** Ends our side, behind what was written. */
  end(): void;
  /** At once, so that it can't be taken for an end in order. */
  destroy(): void;
  /** The tunnel is over: nobody takes what still comes. */
  tunnelOver(): void;
}

/** How a head is written as a header block: as it is, or, where it asks for a WebSocket, as the extended CONNECT that does (RFC 8441, 5). */
export type HeadForm = 'plain' | 'connect';

/** The head of a request, for whatever connection it goes to. */
export interface RequestSource {
  readonly method: string;
  /** It asks for a WebSocket. */
  readonly upgrades: boolean;
  /** How an HTTP/1.1 endpoint is told where the body ends. */
  readonly framing: Framing;
  /** Begins a message in `context.output` with the head as HTTP/1.1 has it. */
  putLines(): void;
  /** The head as a header block; lent until the next one is made. `scheme`: of the connection to the endpoint. */
  encode(scheme: 'http' | 'https', form: HeadForm): Uint8Array;
}

/** The endpoint's side of one attempt: a connection of HTTP/1.1, or a stream of HTTP/2. */
export interface Upstream {
  readonly endpoint: PooledEndpoint;
  /** Requests that its connection has carried, this one included. */
  readonly uses: number;
  /** Whether any byte of the request may have gone out: there is, or was, a connection for it. */
  readonly begun: boolean;
  /** Whether any byte of the response has come. */
  readonly answered: boolean;
  /** Whether the response ended in such a way that the connection can be of further use. */
  readonly reusable: boolean;
  /** The endpoint takes nothing now: `drained` of the user will say when it does. */
  readonly congested: boolean;
  /** Gives it to a request, whose head is put; `connected` may be called from within. */
  assign(user: UpstreamUser, request: RequestSource): void;
  /** Of the body. */
  send(bytes: Buffer, start: number, end: number): void;
  /** The same of bytes that nobody else will change. */
  sendOwned(bytes: Buffer, start: number, end: number): void;
  /** The request is complete. `trailers`: where `context.trailers` lies; undefined where there are none. */
  end(trailers: Buffer | undefined): void;
  /** What was put together leaves. */
  flush(): void;
  /** Hands it back after `ended`, its connection to wait at most `idleMs` (0: for ever) for the next request. `now` in milliseconds. */
  release(idleMs: number, now: number): void;
  /** Its user wants no more of the response; the connection may be kept. */
  discard(idleMs: number): void;
  /** At once, whatever is under way; the user is not told. Of HTTP/2, the stream alone. */
  close(): void;
  /** The client takes no more of the response for now. */
  pause(): void;
  resume(): void;
}

/** An endpoint's connection, or a stream of one, whose bytes can pass as they are. */
export interface RawUpstream extends Upstream {
  /** The current user passes its place on: to a tunnel. */
  handOver(user: UpstreamUser): void;
  /** Writes bytes that nobody else will change. */
  writeOwned(bytes: Buffer): void;
  /** Ends our side. */
  endRaw(): void;
  /** What was written still leaves; the user hears no more. */
  closeWhenWritten(): void;
  /** `close`, so that the endpoint can't take it for an end in order: with a reset, where its connection can be given one. */
  breakOff(): void;
}

/** A connection that was opened for a tunnel. */
export interface DirectUpstream extends RawUpstream {
  /** Gives it to a tunnel from the moment it is connected. */
  assignRaw(user: UpstreamUser): void;
}

/** What uses an endpoint's side: an exchange, a mirrored request, a tunnel. */
export interface UpstreamUser {
  /** The connection is there, or was already. */
  connected(upstream: Upstream): void;
  /** A 1xx response other than 101; `context.responseHead` has it, and lies in `bytes`. */
  interim(upstream: Upstream, bytes: Buffer): void;
  /** The head of the final response, likewise. The user may leave the connection (`discard`, `close`) from within. */
  responded(upstream: Upstream, bytes: Buffer): void;
  /** 101, or 200 to an extended CONNECT: from now on bytes come as they are (`received`). False: not wanted. */
  upgraded(upstream: RawUpstream, bytes: Buffer): boolean;
  /** Of the body, its framing taken off. */
  received(upstream: Upstream, bytes: Buffer, start: number, end: number): void;
  /** An event's bytes are through, and more are to come. */
  flush(upstream: Upstream): void;
  /** The response is complete. `trailers`: where `context.trailers` lies, undefined where there are none. The user then calls `release` or `close`. */
  ended(upstream: Upstream, trailers: Buffer | undefined): void;
  /** No complete response, and the connection (of HTTP/2: the stream) is gone. */
  failed(upstream: Upstream, code: FailureCode, reason: string): void;
  /** What was written has left. */
  drained(upstream: Upstream): void;
}
