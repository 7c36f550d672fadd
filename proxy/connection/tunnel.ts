import type { Exchange } from '../exchange/exchange.ts';
import type { FailureCode } from '../failures.ts';
import type { RawUpstream, TunnelEnd, Tunnels, Upstream, UpstreamUser } from './sides.ts';

/** How long the endpoint may take for the last bytes of a tunnel. Milliseconds. */
export const lastWriteMs = 30_000;

/** Client and endpoint after 101 or CONNECT: bytes pass both ways as they are, each way ends by itself. */
export class Tunnel implements TunnelEnd, UpstreamUser {
  activity: number;
  readonly idleMs: number;
  endsAt = Infinity;
  readonly #exchange: Exchange;
  readonly #client: Tunnels;
  readonly #upstream: RawUpstream;
  #clientEnded = false;
  #upstreamEnded = false;
  #over = false;
  #pending = false;
  #isOld = false;

  constructor(exchange: Exchange, client: Tunnels, upstream: RawUpstream) {
    this.#exchange = exchange;
    this.#client = client;
    this.#upstream = upstream;
    this.activity = exchange.context.now();
    const { streamIdle, maxConnectionDuration } = exchange.settings.timeouts;
    this.idleMs = streamIdle;
    // After 101 the connection is one of requests still, of which none in progress is ended.
    if (exchange.purpose === 'connect' && maxConnectionDuration > 0) this.endsAt = this.activity + maxConnectionDuration;
  }

  get congested(): boolean {
    return !this.#over && this.#upstream.congested;
  }

  /** Our sides end behind what was written; what else comes is dropped. */
  grownOld(now: number): boolean {
    if (this.#isOld || now < this.endsAt) return false;
    this.#isOld = true;
    this.#exchange.failure = 'max-connection-duration';
    this.endsAt = now + this.#exchange.context.limits.streamEndingMs;
    this.#upstream.endRaw();
    this.#client.end();
    return true;
  }

  fromClient(bytes: Buffer): void {
    if (this.#isOld) return;
    this.#touch();
    this.#exchange.bytesIn += bytes.length;
    this.#upstream.writeOwned(bytes);
    if (this.#upstream.congested) this.#client.pause();
  }

  lentByClient(bytes: Buffer, start: number, end: number): void {
    if (this.#isOld) return;
    this.#touch();
    this.#exchange.bytesIn += end - start;
    this.#upstream.send(bytes, start, end);
    this.#upstream.flush();
    if (this.#upstream.congested) this.#client.pause();
  }

  clientEnded(): void {
    this.#clientEnded = true;
    if (this.#upstreamEnded) this.#close();
    else this.#upstream.endRaw();
  }

  /** RFC 8441, 5: what a reset is to a stream, one is to the endpoint's connection. */
  clientClosed(why: FailureCode): void {
    if (!this.#over) this.#exchange.failure = this.#isOld ? 'max-connection-duration' : why;
    this.#close();
  }

  clientDrained(): void {
    this.#touch();
    this.#upstream.resume();
  }

  connected(): void {}

  interim(): void {}

  responded(): void {}

  upgraded(): boolean {
    return false;
  }

  received(_upstream: Upstream, bytes: Buffer, start: number, end: number): void {
    if (this.#isOld) return;
    const { output } = this.#exchange.context;
    if (!this.#pending) output.begin();
    this.#pending = true;
    this.#exchange.bytesOut += end - start;
    output.putBytes(bytes, start, end);
  }

  flush(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#touch();
    this.#client.write(this.#exchange.context.output);
    if (this.#client.congested) this.#upstream.pause();
  }

  /** The endpoint sends no more. */
  ended(): void {
    // Of a stream, the last bytes may have come in the same read.
    this.flush();
    this.#upstreamEnded = true;
    if (this.#clientEnded) this.#close();
    else this.#client.end();
  }

  failed(_upstream: Upstream, code: FailureCode, reason: string): void {
    if (this.#over) return;
    if (!this.#isOld) {
      this.#exchange.failure = code;
      this.#exchange.failureReason = reason;
    }
    // After an orderly end the client may still be taking what was sent to it.
    if (!this.#upstreamEnded) this.#client.destroy();
    this.#close();
  }

  drained(): void {
    this.#touch();
    this.#client.resume();
  }

  #touch(): void {
    this.activity = this.#exchange.context.now();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    // Both sides have ended, or one is gone: what was written still leaves, then the sockets close.
    if (this.#clientEnded && this.#upstreamEnded) {
      this.#upstream.closeWhenWritten();
      this.#client.end();
    } else this.#upstream.breakOff();
    this.#exchange.endTunnel();
    this.#client.tunnelOver();
  }
}
