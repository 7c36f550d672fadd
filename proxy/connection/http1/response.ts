import { bytesOf, framing, type Framing, type OutputBuffer } from '../../codec/index.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { putInterimHead, putResponseHead, putSwitchingHead, putTrailers } from '../../exchange/heads.ts';
import { putReply, type Reply } from '../../exchange/replies.ts';
import type { ResponseEdits } from '../sides.ts';

const lastChunk = bytesOf('0\r\n\r\n');
const connectionEstablished = 'HTTP/1.1 200 Connection Established\r\n\r\n';

/** Writes responses as HTTP/1.1 wants them, into the output buffer; `pending` says that there is something in it. */
export class Http1Response {
  pending = false;
  /** Whether the connection can take another request after this response. */
  keep = false;
  readonly #exchange: Exchange;
  readonly #output: OutputBuffer;
  #framing: Framing = framing.none;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.#output = exchange.context.output;
  }

  head(bytes: Buffer, { edits, cors }: ResponseEdits, connection: 'expiring' | 'lasting'): void {
    const exchange = this.#exchange;
    const head = exchange.context.responseHead;
    const told = head.framing === framing.chunked || head.framing === framing.untilClose;
    const body = !told ? head.framing : exchange.minorVersion === 1 ? framing.chunked : framing.untilClose;
    this.#framing = body;
    this.keep = exchange.keepAlive && body !== framing.untilClose && exchange.requestComplete && connection === 'lasting';
    putResponseHead(exchange, bytes, { body, keepAlive: this.keep, edits, cors });
    this.pending = true;
  }

  body(bytes: Buffer, start: number, end: number): void {
    this.#begin();
    if (this.#framing === framing.chunked) this.#output.putChunkSize(end - start);
    this.#output.putBytes(bytes, start, end);
    if (this.#framing === framing.chunked) this.#output.putLineEnd();
  }

  end(trailers: Buffer | undefined): void {
    if (this.#framing !== framing.chunked) return;
    this.#begin();
    if (trailers === undefined) this.#output.putConstant(lastChunk);
    else putTrailers(this.#output, trailers, this.#exchange.context.trailers);
  }

  interim(bytes: Buffer): void {
    putInterimHead(this.#exchange, bytes);
    this.pending = true;
  }

  switching(bytes: Buffer): void {
    putSwitchingHead(this.#exchange, bytes);
    this.pending = true;
  }

  established(): void {
    this.#output.begin();
    this.#output.putText(connectionEstablished);
    this.pending = true;
  }

  reply(reply: Reply): void {
    putReply(this.#exchange, reply, this.keep);
    this.pending = true;
  }

  #begin(): void {
    if (this.pending) return;
    this.pending = true;
    this.#output.begin();
  }
}
