import type { Socket } from 'node:net';
import fc from 'fast-check';
import { rawServer, startRig, type RawServer, type Rig } from '../../component/proxy-rig.ts';
import { judgeAnswer } from '../judge-answer.ts';
import { compare, judgeClient, readUpstream } from '../judge.ts';
import { readRequest, readRequests, type ReadRequest } from '../request.ts';
import { readResponse } from '../response.ts';
import { talk } from '../rig.ts';
import { response, stream } from './arbitraries.ts';
import type { Fuzzed } from './properties.ts';

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

function started(fuzzed: Fuzzed, rig: Rig, server: RawServer): OneFuzz {
  return {
    fuzzed,
    close: async () => {
      await rig.close();
      await server.close();
    },
  };
}

async function requestFuzz(onFault: (error: unknown) => void): Promise<OneFuzz> {
  let arrived: ReadRequest[] = [];
  const taken = new Map<number, number>();
  const server = await rawServer((socket, _text, connection) => {
    let p = taken.get(connection) ?? 0;
    for (;;) {
      const read = readRequest(server.received[connection]!, p);
      if (read.kind !== 'request') break;
      p = read.end;
      arrived.push(read);
      const body = `echo ${read.target}`;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${read.method === 'HEAD' ? '' : body}`, 'latin1');
    }
    taken.set(connection, p);
  });
  const rig = await startRig({ backends: { a: [server.port] }, onFault });
  const place = { address: '127.0.0.1', port: rig.listener.port };
  const property = fc.asyncProperty(fc.array(stream, { minLength: width, maxLength: width }), async (streams) => {
    arrived = [];
    const before = server.received.map((text, connection) => taken.get(connection) ?? text.length);
    const faults = await Promise.all(
      streams.map(async ({ text, cuts }, index) => {
        const own = text.replaceAll('§', String(index));
        const expected = readRequests(own);
        const got = await talk(place, own, { half: true, cuts: cuts.filter((cut) => cut < own.length).toSorted((one, other) => one - other), timeoutMs: 4000 });
        // A client that ends its side may be taken for gone before its last response (halfClosedMs); what came must be right all the same.
        const fault = judgeClient(expected, got);
        return fault === undefined || fault.startsWith('no response') ? undefined : `${fault} for ${JSON.stringify(own)}`;
      }),
    );
    const upstream = server.received.flatMap((text, connection) => readUpstream(text.slice(before[connection] ?? 0)).faults);
    const fault = faults.find((each) => each !== undefined) ?? upstream[0] ?? compareAll(streams, arrived);
    if (fault !== undefined) throw new Error(fault);
  });
  return started({ name: 'requests on sockets', share: 0.12, property: property as unknown as Fuzzed['property'] }, rig, server);
}

function compareAll(streams: readonly { readonly text: string }[], arrived: readonly ReadRequest[]): string | undefined {
  const expected = streams.map(({ text }, index) => readRequests(text.replaceAll('§', String(index))));
  const all = expected.flatMap(({ requests }) => requests.map(({ target }) => target));
  // A number may have been bent away, or into another's; then it can't be told whose a request is.
  const unclear = new Set<string>();
  for (const [index, { requests }] of expected.entries()) {
    for (const { target, local } of requests) {
      const owner = ownerOf(target);
      if (owner === String(index) || local) continue;
      unclear.add(String(index)).add(owner ?? '');
    }
  }
  for (const [index, { text }] of streams.entries()) {
    if (unclear.has(String(index))) continue;
    const fault = compare(expected[index]!, arrived.filter(({ target }) => ownerOf(target) === String(index)));
    if (fault !== undefined) return `${fault} for ${JSON.stringify(text)}`;
  }
  const stray = arrived.find(({ target }) => ownerOf(target) === undefined && !all.some((each) => each.endsWith(target) || /%|\/\./.test(each)));
  return stray === undefined ? undefined : `a request of nobody: ${stray.method} ${stray.target}`;
}

function ownerOf(target: string): string | undefined {
  return /v([0-7])(?![0-9])/.exec(target)?.[1];
}

async function responseFuzz(onFault: (error: unknown) => void): Promise<OneFuzz> {
  let answers: readonly string[] = [];
  const taken = new Map<number, number>();
  const serve = (socket: Socket, _text: string, connection: number): void => {
    for (;;) {
      const read = readRequest(server.received[connection]!, taken.get(connection) ?? 0);
      if (read.kind !== 'request') return;
      taken.set(connection, read.end);
      if (read.target.startsWith('/f')) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${read.target.length}\r\n\r\n${read.target}`);
        continue;
      }
      const answer = answers[Number(read.target.slice(2))] ?? '';
      socket.write(answer, 'latin1');
      const open = readResponse(answer, 0, 'GET', false);
      if (open.kind === 'incomplete' || (open.kind === 'response' && open.last)) socket.end();
    }
  };
  const server = await rawServer(serve);
  const rig = await startRig({ backends: { a: [server.port] }, onFault });
  const place = { address: '127.0.0.1', port: rig.listener.port };
  const property = fc.asyncProperty(fc.array(response, { minLength: width, maxLength: width }), async (given) => {
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
    const fault = faults.find((each) => each !== undefined);
    if (fault !== undefined) throw new Error(fault);
  });
  return started({ name: 'responses on sockets', share: 0.12, property: property as unknown as Fuzzed['property'] }, rig, server);
}
