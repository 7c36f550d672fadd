import { StringDecoder } from 'node:string_decoder';

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

/** Takes the text of frames, one after the other, each in one piece or more. */
export type FrameTaker = (type: FrameType, piece: string, place: 'more follow' | 'last') => void;

/** Reads frames from what comes. Gives a frame's text as it comes, and holds nothing of it but the bytes of an unfinished character. */
export class FrameReader {
  /** Bytes of text that a frame may have; may be changed between frames. */
  limit: number;
  readonly #head = Buffer.alloc(headLength);
  /** Bytes of the head that are there. */
  #known = 0;
  #type: FrameType | undefined;
  /** Bytes of the frame's text that are still to come. */
  #missing = 0;
  #decoder = new StringDecoder('utf8');

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Returns why the peer does not keep to the protocol, or undefined. */
  push(chunk: Buffer, take: FrameTaker): string | undefined {
    for (let at = 0; at < chunk.length; ) {
      if (this.#type === undefined) {
        const copied = chunk.copy(this.#head, this.#known, at, at + headLength - this.#known);
        at += copied;
        this.#known += copied;
        if (this.#known < headLength) return undefined;
        const fault = this.#begin();
        if (fault !== undefined) return fault;
        // What has no text is whole already.
        if (this.#missing > 0) continue;
      }
      const end = Math.min(chunk.length, at + this.#missing);
      this.#missing -= end - at;
      this.#give(chunk.subarray(at, end), take);
      at = end;
    }
    return undefined;
  }

  #begin(): string | undefined {
    const length = this.#head.readUInt32BE(0) - 1;
    const type = names.get(this.#head.readUInt8(4));
    if (type === undefined) return 'a frame of an unknown type';
    if (length < 0 || length > this.limit) return `a frame of ${length} bytes, more than ${this.limit}`;
    this.#type = type;
    this.#missing = length;
    this.#known = 0;
    return undefined;
  }

  #give(bytes: Buffer, take: FrameTaker): void {
    const type = this.#type!;
    const text = this.#decoder.write(bytes);
    if (this.#missing > 0) return take(type, text, 'more follow');
    this.#type = undefined;
    take(type, text + this.#decoder.end(), 'last');
  }
}
