import type { Socket } from 'node:net';
import { mark } from './request-mutations.ts';
import { readRequest } from './request.ts';
import type { ResponseVector } from './response-mutations.ts';
import { readResponse } from './response.ts';
import type { Carried } from './rig.ts';

export const number = (index: number): string => String(10_000 + index);

export interface Answered {
  readonly vector: ResponseVector;
  readonly read: ReturnType<typeof readResponse>;
  /** Bytes behind the response, or a connection that has to end. */
  readonly unclean: boolean;
}

/** Answers `/r…` with the vector of that number and `/f…` with an echo. Notes which connection carried what after an unclean answer. */
export function answering(answers: readonly Answered[], reused: string[]): (socket: Socket, carried: Carried) => void {
  const states = new WeakMap<Carried, { offset: number; unclean: string | undefined }>();
  return (socket, carried) => {
    const state = states.get(carried) ?? { offset: 0, unclean: undefined };
    states.set(carried, state);
    for (;;) {
      const read = readRequest(carried.text, state.offset);
      if (read.kind !== 'request') return;
      state.offset = read.end;
      if (state.unclean !== undefined) reused.push(`a connection was used again after an unclean response: ${state.unclean}`);
      const index = Number(read.target.slice(2)) - 10_000;
      if (read.target.startsWith('/f')) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${read.target.length}\r\n\r\n${read.target}`, 'latin1');
      else {
        const { vector, read: response, unclean } = answers[index]!;
        if (unclean) state.unclean = vector.title;
        socket.write(vector.text.replaceAll(mark, number(index)), 'latin1');
        if (response.kind === 'incomplete' || (response.kind === 'response' && response.last)) socket.end();
      }
    }
  };
}

/** What a strict reader makes of each vector. */
export function readAnswers(vectors: readonly ResponseVector[]): readonly Answered[] {
  return vectors.map((vector, index): Answered => {
    const text = vector.text.replaceAll(mark, number(index));
    const open = readResponse(text, 0, vector.method, false);
    const read = open.kind === 'incomplete' ? readResponse(text, 0, vector.method, true) : open;
    return { vector, read, unclean: read.kind !== 'response' || read.last || read.end < text.length };
  });
}
