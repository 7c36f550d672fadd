/** What a frame carries. The numbers are part of the protocol. */
export const frameTypes = {
  /** First of the client: who it is. */
  hello: 1,
  /** Answer to a hello: messages may follow. */
  welcome: 2,
  /** Answer to a hello: why not. The connection ends. */
  refused: 3,
  /** One message of the stream. */
  message: 4,
  /** "I am alive", at regular intervals, from both sides. */
  beat: 5,
} as const;

export type FrameType = keyof typeof frameTypes;

export interface Frame {
  readonly type: FrameType;
  readonly text: string;
}

const names = new Map(Object.entries(frameTypes).map(([name, number]) => [number as number, name as FrameType]));
const headLength = 5;

/** Four bytes with the length of what follows them, one with the type, then UTF-8. */
export function encodeFrame(type: FrameType, text = ''): Buffer {
  const length = Buffer.byteLength(text, 'utf8');
  const frame = Buffer.allocUnsafe(headLength + length);
  frame.writeUInt32BE(length + 1, 0);
  frame.writeUInt8(frameTypes[type], 4);
  frame.write(text, headLength, 'utf8');
  return frame;
}

/** Puts frames together from what comes. Never holds more than one frame and one chunk. */
export class FrameReader {
  /** Bytes of text that a frame may have; may be changed between frames. */
  limit: number;
  readonly #chunks: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Gives each frame that is whole; returns why the peer does not keep to the protocol, or undefined. */
  push(chunk: Buffer, frame: (frame: Frame) => void): string | undefined {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= headLength) {
      const head = this.#joined(headLength);
      const length = head.readUInt32BE(0) - 1;
      const type = names.get(head.readUInt8(4));
      if (type === undefined) return 'a frame of an unknown type';
      if (length < 0 || length > this.limit) return `a frame of ${length} bytes, more than ${this.limit}`;
      if (this.#length < headLength + length) return undefined;
      const whole = this.#joined(headLength + length);
      const text = whole.toString('utf8', headLength, headLength + length);
      this.#cut(whole, headLength + length);
      frame({ type, text });
    }
    return undefined;
  }

  /** The first chunk, with at least so many bytes; joins chunks only then. */
  #joined(length: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= length) return first;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks.splice(0, this.#chunks.length, whole);
    return whole;
  }

  #cut(first: Buffer, length: number): void {
    this.#length -= length;
    if (first.length === length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
  }
}
