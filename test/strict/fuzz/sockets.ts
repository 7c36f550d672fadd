import fc from 'fast-check';
import { startRig, type Rig } from '../../component/proxy-rig.ts';
import { judgeAnswer } from '../judge-answer.ts';
import { judgeClient } from '../judge.ts';
import { readRequests, type ReadRequest } from '../request.ts';
import { readResponse } from '../response.ts';
import { talk, type Place } from '../rig.ts';
import { response, stream } from './arbitraries.ts';
import { compareAll, type Sent } from './compare.ts';
import type { Fuzzed } from './properties.ts';
import { fuzzUpstream, type FuzzUpstream } from './upstream.ts';

export interface SocketFuzz {
  readonly properties: readonly Fuzzed[];
  close(): Promise<void>;
}

/** Each run has a few connections at once; the machine would wait most of the time otherwise. */
const width = 8;

/** Whole streams of requests, and whole responses, through a proxy on sockets; judged as the mutations are. */
export async function socketProperties(onFault: (error: unknown) => void): Promise<SocketFuzz> {
  const requests = await requestFuzz(onFault);
  const responses = await responseFuzz(onFault);
  return {
    properties: [requests.fuzzed, responses.fuzzed],
    close: async () => {
      await requests.close();
      await responses.close();
    },
  };
}

interface OneFuzz {
  readonly fuzzed: Fuzzed;
  close(): Promise<void>;
}

/** A proxy in front of the server, and what to do with it. */
async function started(name: string, server: FuzzUpstream, onFault: (error: unknown) => void, property: (place: Place) => fc.IRawProperty<unknown>): Promise<OneFuzz> {
  const rig: Rig = await startRig({ backends: { a: [server.port] }, onFault });
  return {
    fuzzed: { name, share: 0.12, inputs: width, property: property({ address: '127.0.0.1', port: rig.listener.port }) },
    close: async () => {
      await rig.close();
      await server.close();
    },
  };
}

async function requestFuzz(onFault: (error: unknown) => void): Promise<OneFuzz> {
  let arrived: ReadRequest[] = [];
  let next = 0;
  let before: readonly Sent[] = [];
  const server = await fuzzUpstream((socket, read) => {
    arrived.push(read);
    const body = `echo ${read.target}`;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${read.method === 'HEAD' ? '' : body}`, 'latin1');
  });
  const run = async (place: Place, streams: readonly { readonly text: string; readonly cuts: readonly number[] }[]): Promise<void> => {
    arrived = [];
    const sent = streams.map(({ text, cuts }): Sent & { readonly cuts: readonly number[] } => {
      const number = String(next++ % 1000).padStart(3, '0');
      const own = text.replaceAll('§', number);
      return { number, text: own, expected: readRequests(own), cuts: cuts.filter((cut) => cut < own.length).toSorted((one, other) => one - other) };
    });
    const faults = await Promise.all(
      sent.map(async ({ text, expected, cuts }) => {
        // A client that ends its side may be taken for gone before its last response (halfClosedMs); what came must be right all the same.
        const fault = judgeClient(expected, await talk(place, text, { half: true, cuts, timeoutMs: 4000 }));
        return fault === undefined || fault.startsWith('no response') ? undefined : `${fault} for ${JSON.stringify(text)}`;
      }),
    );
    const fault = faults.find((each) => each !== undefined) ?? server.faults()[0] ?? compareAll(sent, arrived, before);
    before = sent;
    if (fault !== undefined) throw new Error(fault);
  };
  const inputs = fc.array(stream, { minLength: width, maxLength: width });
  return started('requests on sockets', server, onFault, (place) => fc.asyncProperty(inputs, (streams) => run(place, streams)) as unknown as fc.IRawProperty<unknown>);
}

async function responseFuzz(onFault: (error: unknown) => void): Promise<OneFuzz> {
  let answers: readonly string[] = [];
  const server = await fuzzUpstream((socket, { target }) => {
    if (target.startsWith('/f')) {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
      return;
    }
    const answer = answers[Number(target.slice(2))] ?? '';
    socket.write(answer, 'latin1');
    const open = readResponse(answer, 0, 'GET', false);
    if (open.kind === 'incomplete' || (open.kind === 'response' && open.last)) socket.end();
  });
  const run = async (place: Place, given: readonly string[]): Promise<void> => {
    answers = given;
    const faults = await Promise.all(
      given.map(async (answer, index) => {
        const text = `GET /r${index} HTTP/1.1\r\nHost: x\r\n\r\nGET /f${index} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
        const open = readResponse(answer, 0, 'GET', false);
        const read = open.kind === 'incomplete' ? readResponse(answer, 0, 'GET', true) : open;
        const fault = judgeAnswer({ method: 'GET', read }, String(index), await talk(place, text, { half: false, cuts: [], timeoutMs: 4000 }));
        return fault === undefined ? undefined : `${fault} for ${JSON.stringify(answer)}`;
      }),
    );
    const fault = faults.find((each) => each !== undefined) ?? server.faults()[0];
    if (fault !== undefined) throw new Error(fault);
  };
  const inputs = fc.array(response, { minLength: width, maxLength: width });
  return started('responses on sockets', server, onFault, (place) => fc.asyncProperty(inputs, (given) => run(place, given)) as unknown as fc.IRawProperty<unknown>);
}
