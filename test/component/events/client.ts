import { readResponse } from '../../strict/response.ts';
import { RawClient } from '../proxy-rig.ts';
import { pathOf, pause, type BehaviourName } from './upstream.ts';

/** A client that sends what it is told, in pieces, and judges what it gets. */

export interface Asked {
  /** `b`: to the endpoints; `m`: with a mirror; `h`: to an endpoint of HTTP/2 that is not there; `n`: the proxy answers. */
  readonly rule: 'b' | 'm' | 'h' | 'n';
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly framing: 'length' | 'chunks';
  readonly bodyBytes: number;
  /** The body's pieces, and how long it rests before each. Milliseconds. */
  readonly rests: readonly number[];
  readonly script: readonly BehaviourName[];
  readonly upgrades: boolean;
}

export interface Visit {
  /** A gateway's listener, or a sidecar's that learns where it is going at once, soon, or not. */
  readonly door: 'gateway' | 'at once' | 'soon' | 'never';
  readonly asked: readonly Asked[];
  /** The next request is sent without a look at the answer to the one before. */
  readonly ahead: boolean;
  /** How long it reads nothing. Milliseconds. */
  readonly deafMs: number;
  /** `ends`: its side, behind the last request. `breaks`: off, when all is sent; `halfway`: ends its side before the last piece of the last request. */
  readonly end: 'waits' | 'ends' | 'breaks' | 'halfway';
}

export interface Seen {
  readonly faults: readonly string[];
  /** By path: the status that came, of requests that were answered in full. */
  readonly answers: ReadonlyMap<string, number>;
  /** Of requests of which anything was sent. */
  readonly paths: readonly string[];
}

/** Beyond all timeouts of the proxy: what has not come by then does not come. Milliseconds. */
const stuckMs = 10_000;

export class Visitor {
  readonly #visit: Visit;
  readonly #client: RawClient;
  readonly #paths: readonly string[];
  readonly #host: string;
  #sent = 0;
  #parsedTo = 0;
  readonly #statuses: number[] = [];
  #fault: string | undefined;
  #isTunnel = false;
  #saysLast = false;
  /** Idle connections are closed meanwhile, also under a request on its way. */
  readonly #drains: boolean;

  constructor(visit: Visit, name: string, { ports, drains }: { readonly ports: { readonly gateway: number; readonly outbound: number }; readonly drains: boolean }) {
    this.#visit = visit;
    this.#drains = drains;
    this.#paths = visit.asked.map(({ rule, script }, index) => pathOf(rule, `${name}.${index}`, script));
    this.#host = `${visit.door.replace(' ', '')}.example`;
    this.#client = new RawClient(visit.door === 'gateway' ? ports.gateway : ports.outbound);
  }

  async run(): Promise<Seen> {
    const client = this.#client;
    if (this.#visit.deafMs > 0) {
      client.socket.pause();
      setTimeout(() => client.socket.resume(), this.#visit.deafMs);
    }
    for (const index of this.#visit.asked.keys()) {
      await this.#send(index);
      if (!this.#visit.ahead) await this.#until(index + 1);
      if (client.ended || this.#isTunnel) break;
    }
    if (this.#visit.end === 'breaks') client.socket.resetAndDestroy();
    else if (this.#visit.end === 'ends') client.socket.end();
    await this.#until(this.#visit.end === 'halfway' ? Infinity : this.#sent);
    if (this.#isTunnel) await this.#leaveTunnel();
    this.#judgeEnd();
    client.close();
    return {
      faults: this.#fault === undefined ? [] : [`${this.#fault}: ${this.#paths.join(' ')} got ${JSON.stringify(client.text.replace(/x{20,}/g, 'x…').slice(0, 2000))}`],
      answers: new Map(this.#statuses.map((status, index) => [this.#paths[index]!, status])),
      paths: this.#paths.slice(0, this.#sent),
    };
  }

  async #send(index: number): Promise<void> {
    const { asked, end } = this.#visit;
    const { method, framing, bodyBytes, rests, upgrades } = asked[index]!;
    this.#sent++;
    const hasBody = method !== 'GET';
    const lines = !hasBody ? '' : framing === 'length' ? `Content-Length: ${bodyBytes * rests.length}\r\n` : 'Transfer-Encoding: chunked\r\n';
    const upgrade = upgrades && !hasBody ? 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n' : '';
    const data = 'y'.repeat(bodyBytes);
    const pieces = hasBody ? rests.map(() => (framing === 'length' ? data : `${bodyBytes.toString(16)}\r\n${data}\r\n`)) : [''];
    if (hasBody && framing === 'chunks') pieces.push('0\r\n\r\n');
    const isHalf = end === 'halfway' && index === asked.length - 1;
    let text = `${method} ${this.#paths[index]!} HTTP/1.1\r\nHost: ${this.#host}\r\n${lines}${upgrade}\r\n`;
    for (const [number, piece] of pieces.entries()) {
      if (isHalf && number === pieces.length - 1) {
        this.#client.socket.end(hasBody ? text : text.slice(0, -2));
        return;
      }
      const restMs = rests[number] ?? 0;
      if (restMs > 0) {
        this.#write(text);
        text = '';
        await pause(restMs);
      }
      text += piece;
    }
    this.#write(text);
  }

  #write(text: string): void {
    if (text !== '' && this.#client.socket.writable) this.#client.send(text);
  }

  /** Until so many requests have been answered, or no more answers come. */
  async #until(count: number): Promise<void> {
    const isOver = (): boolean => {
      this.#read();
      return this.#fault !== undefined || this.#isTunnel || this.#statuses.length >= count;
    };
    if (isOver()) return;
    await this.#client.until(isOver, stuckMs).catch(() => {});
    if (!isOver() && !this.#client.ended) this.#fault = 'no answer, and no end';
  }

  /** Reads as many whole answers as there are. */
  #read(): void {
    const { text } = this.#client;
    while (this.#fault === undefined && !this.#isTunnel && this.#parsedTo < text.length) {
      const index = this.#statuses.length;
      if (index >= this.#sent) this.#fault = 'an answer that nobody asked for';
      else if (this.#saysLast) this.#fault = 'bytes behind the last answer';
      else if (/^HTTP\/1\.1 101 [^]*?\r\n\r\n/.test(text.slice(this.#parsedTo))) {
        if (this.#visit.asked[index]!.upgrades) this.#statuses.push(101);
        else this.#fault = 'a tunnel that nobody asked for';
        this.#isTunnel = true;
      } else if (!this.#readOne(index)) return;
    }
  }

  #readOne(index: number): boolean {
    const read = readResponse(this.#client.text, this.#parsedTo, 'GET', false);
    if (read.kind === 'incomplete') return false;
    if (read.kind === 'refused') {
      this.#fault = read.reason;
      return false;
    }
    const id = read.fields.find(({ name }) => name === 'x-id')?.value;
    const isOwn = read.fields.some(({ name }) => name === 'x-weft-error');
    if (!isOwn && id !== this.#paths[index]!.split('/')[2]) this.#fault = `the answer to ${id}`;
    this.#statuses.push(read.status);
    this.#saysLast = read.last;
    this.#parsedTo = read.end;
    return true;
  }

  async #leaveTunnel(): Promise<void> {
    const client = this.#client;
    const { deafMs } = this.#visit;
    this.#write(deafMs > 20 ? 'bye!' : deafMs > 10 ? 'bye' : 'more');
    if (deafMs <= 10) client.socket.end();
    await client.all(stuckMs).catch(() => (this.#fault = 'a tunnel without end'));
  }

  /** An orderly end in the midst of an answer would be taken for its end, and one before an answer has to be told (RFC 9112, 9.6). */
  #judgeEnd(): void {
    const { ended, error, text } = this.#client;
    if (this.#fault !== undefined || this.#isTunnel || !ended || error !== undefined || this.#visit.end === 'breaks' || this.#visit.end === 'halfway') return;
    if (this.#parsedTo < text.length) this.#fault = 'an orderly end within an answer';
    else if (this.#statuses.length < this.#sent && !this.#saysLast && !this.#drains) this.#fault = 'an end that was not told';
  }
}
