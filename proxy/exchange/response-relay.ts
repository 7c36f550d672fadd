import { framing, webSocketAccept } from '../codec/index.ts';
import { Tunnel } from '../connection/tunnel.ts';
import type { RawUpstream, Upstream, UpstreamUser } from '../connection/sides.ts';
import type { FailureCode } from '../failures.ts';
import { withAnswer } from '../sessions/index.ts';
import type { Exchange } from './exchange.ts';
import { statusIn } from './grpc.ts';

/** The way back: what the endpoint sends goes to the client. */
export class ResponseRelay implements UpstreamUser {
  readonly #exchange: Exchange;
  /** Sent to the endpoint in the name of a client of HTTP/2. */
  #key = '';
  /** The last request whose client was told to go on with its body. */
  #continued = -1;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** `Sec-WebSocket-Key` for an endpoint of HTTP/1.1: another one for each attempt (RFC 6455, 4.1). */
  drawKey(): string {
    return (this.#key = Buffer.from(this.#exchange.context.ids.traceId(), 'hex').toString('base64'));
  }

  connected(): void {
    const exchange = this.#exchange;
    if (exchange.tunnelTo === undefined) return;
    exchange.status = 200;
    this.#openTunnel(exchange.tunnelTo, undefined);
  }

  interim(_upstream: Upstream, bytes: Buffer): void {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    if (exchange.context.responseHead.status === 100) {
      // RFC 9110, 15.2: that of another attempt answers what we asked for again. Some clients take a second one for the response.
      if (this.#continued === exchange.serial) return;
      this.#continued = exchange.serial;
    }
    exchange.downstream.interim(bytes);
  }

  responded(upstream: Upstream, bytes: Buffer): void {
    const exchange = this.#exchange;
    const { filters } = exchange;
    if (exchange.tries.replaces(upstream, bytes)) return;
    const head = exchange.context.responseHead;
    // To a client of HTTP/2 it would say that there is a WebSocket now (RFC 8441, 5).
    if (exchange.upgrades && head.status < 300 && exchange.downstream.protocol === 'HTTP/2') {
      exchange.fail('bad-response', 'no-upgrade');
      return;
    }
    exchange.responseStarted = true;
    exchange.status = head.status;
    if (exchange.isGrpc && head.framing === framing.none) exchange.grpcStatus = statusIn(head.fields, bytes);
    const cors = filters?.cors?.respond(exchange.origin, () => head.fields.names(bytes));
    const edits = exchange.session === undefined ? filters?.response : withAnswer(filters?.response, exchange.session.answer(exchange.tries.endpoint!, exchange.binding.scheme));
    exchange.downstream.head(bytes, { edits, cors });
  }

  upgraded(upstream: RawUpstream, bytes: Buffer): boolean {
    const exchange = this.#exchange;
    if (!exchange.upgrades || (exchange.context.responseHead.status === 101 && !this.#isSwitch(bytes))) return false;
    exchange.status = 101;
    exchange.context.metrics.count('upgrades');
    this.#openTunnel(upstream, bytes);
    return true;
  }

  received(_upstream: Upstream, bytes: Buffer, start: number, end: number): void {
    const exchange = this.#exchange;
    exchange.bytesOut += end - start;
    exchange.downstream.body(bytes, start, end);
  }

  flush(upstream: Upstream): void {
    const exchange = this.#exchange;
    const { downstream } = exchange;
    exchange.activity = exchange.context.now();
    downstream.flush();
    if (downstream.congested) upstream.pause();
  }

  ended(upstream: Upstream, trailers: Buffer | undefined): void {
    const exchange = this.#exchange;
    if (trailers !== undefined) this.#takeTrailers(trailers);
    exchange.downstream.end(trailers);
    exchange.activity = exchange.context.now();
    exchange.tries.succeed(upstream);
    exchange.finish();
  }

  failed(upstream: Upstream, code: FailureCode, reason: string): void {
    this.#exchange.tries.fail(upstream, code, reason);
  }

  drained(_upstream: Upstream): void {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    exchange.downstream.resume();
  }

  /** Whether 101 is about what was asked for. */
  #isSwitch(bytes: Buffer): boolean {
    const { context, downstream } = this.#exchange;
    const { fields } = context.responseHead;
    if (fields.upgrade < 0 || !fields.upgrades || fields.value(bytes, fields.upgrade).toLowerCase() !== 'websocket') return false;
    // A client of HTTP/1.1 has its own key, and looks at the answer itself.
    return downstream.protocol === 'HTTP/1' || fields.lookup(bytes, 'sec-websocket-accept') === webSocketAccept(this.#key);
  }

  #takeTrailers(bytes: Buffer): void {
    const { isGrpc, filters, context } = this.#exchange;
    if (isGrpc) this.#exchange.grpcStatus = statusIn(context.trailers, bytes);
    // A field that a filter takes off the head must not come back behind the body.
    if (filters?.response !== undefined) context.trailers.leaveOut(bytes, filters.response);
  }

  #openTunnel(upstream: RawUpstream, upgrade: Buffer | undefined): void {
    const exchange = this.#exchange;
    const client = exchange.downstream.tunnels!;
    exchange.responseStarted = true;
    exchange.backend!.endpoints.succeeded(upstream.endpoint);
    exchange.beginTunnel();
    const tunnel = new Tunnel(exchange, client, upstream);
    upstream.handOver(tunnel);
    client.becomeTunnel(tunnel, upgrade);
  }
}
