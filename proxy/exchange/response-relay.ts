import { bytesOf, framing, type Framing } from '../codec/index.ts';
import { Tunnel } from '../connection/tunnel.ts';
import type { Upstream, UpstreamUser } from '../connection/upstream.ts';
import type { FailureCode } from '../failures.ts';
import type { Exchange } from './exchange.ts';
import { putInterimHead, putResponseHead } from './heads.ts';

const lastChunk = bytesOf('0\r\n\r\n');
const connectionEstablished = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/** The way back: what the endpoint sends goes to the client, framed anew. */
export class ResponseRelay implements UpstreamUser {
  readonly #exchange: Exchange;
  #framing: Framing = framing.none;
  #keep = false;
  /** There is something in the output buffer for the client. */
  #pending = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  connected(upstream: Upstream): void {
    const exchange = this.#exchange;
    if (upstream.uses === 1) exchange.backend!.endpoints.connected(upstream.endpoint);
    if (exchange.purpose === 'request') return;
    exchange.status = 200;
    exchange.context.output.begin();
    exchange.context.output.putText(connectionEstablished);
    this.#openTunnel(upstream);
  }

  interim(_upstream: Upstream, bytes: Buffer): void {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    if (exchange.minorVersion === 0) return;
    putInterimHead(exchange, bytes);
    exchange.connection.write(exchange.context.output);
  }

  responded(upstream: Upstream, bytes: Buffer): void {
    const exchange = this.#exchange;
    const { context, filters } = exchange;
    if (exchange.tries.replaces(upstream, bytes)) return;
    const head = context.responseHead;
    const told = head.framing === framing.chunked || head.framing === framing.untilClose;
    this.#framing = !told ? head.framing : exchange.minorVersion === 1 ? framing.chunked : framing.untilClose;
    this.#keep = exchange.keepAlive && this.#framing !== framing.untilClose && exchange.requestComplete && !exchange.connection.expiring(exchange.startedAt);
    exchange.responseStarted = true;
    exchange.status = head.status;
    const cors = filters?.cors?.respond(exchange.origin, () => head.fields.names(bytes));
    putResponseHead(exchange, bytes, { body: this.#framing, keepAlive: this.#keep, edits: filters?.response, cors });
    this.#pending = true;
  }

  upgraded(upstream: Upstream, bytes: Buffer): boolean {
    const exchange = this.#exchange;
    const { fields } = exchange.context.responseHead;
    if (!exchange.upgrades || fields.upgrade < 0 || !fields.upgrades) return false;
    if (fields.value(bytes, fields.upgrade).toLowerCase() !== 'websocket') return false;
    exchange.status = 101;
    exchange.context.metrics.count('upgrades');
    putInterimHead(exchange, bytes);
    this.#openTunnel(upstream);
    return true;
  }

  received(_upstream: Upstream, bytes: Buffer, start: number, end: number): void {
    const { context } = this.#exchange;
    const { output } = context;
    this.#begin();
    this.#exchange.bytesOut += end - start;
    if (this.#framing === framing.chunked) output.putChunkSize(end - start);
    output.putBytes(bytes, start, end);
    if (this.#framing === framing.chunked) output.putLineEnd();
  }

  flush(upstream: Upstream): void {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    this.#write();
    if (exchange.connection.congested) upstream.pause();
  }

  ended(upstream: Upstream): void {
    const exchange = this.#exchange;
    if (this.#framing === framing.chunked) {
      this.#begin();
      exchange.context.output.putConstant(lastChunk);
    }
    this.#write();
    exchange.activity = exchange.context.now();
    exchange.tries.succeed(upstream);
    exchange.finish(this.#keep && exchange.requestComplete);
  }

  failed(upstream: Upstream, code: FailureCode, reason: string): void {
    this.#pending = false;
    this.#exchange.tries.fail(upstream, code, reason);
  }

  drained(_upstream: Upstream): void {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    exchange.connection.resume();
  }

  #begin(): void {
    if (this.#pending) return;
    this.#exchange.context.output.begin();
    this.#pending = true;
  }

  #write(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#exchange.connection.write(this.#exchange.context.output);
  }

  /** The reply is in the output buffer. */
  #openTunnel(upstream: Upstream): void {
    const exchange = this.#exchange;
    exchange.responseStarted = true;
    exchange.beginTunnel();
    exchange.connection.write(exchange.context.output);
    const tunnel = new Tunnel(exchange, upstream);
    upstream.handOver(tunnel);
    const ahead = exchange.connection.becomeTunnel(tunnel);
    if (ahead !== undefined) tunnel.fromClient(ahead);
  }
}
