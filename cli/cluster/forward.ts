import { Agent, request, type ClientRequestArgs } from 'node:http';
import { Duplex, PassThrough, Writable } from 'node:stream';
import type { Connection } from './connect.ts';

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

/** The whole exchange. Milliseconds. */
const limitMs = 10_000;
/** Bytes. */
const maxAnswer = 64 << 20;

/**
 * GET of a port on the loopback address of a Pod, by way of the API server (`pods/portforward`): nothing else in the cluster reaches
 * that port. The JSON of the answer. Rejects where there is none.
 */
export async function getFromPod(connection: Connection, place: PodPort, path: string): Promise<unknown> {
  const { stream, close } = await openForward(connection, place);
  try {
    return await getJson(stream, path);
  } finally {
    close();
  }
}

async function openForward({ config }: Connection, { namespace, pod, port }: PodPort): Promise<{ readonly stream: Duplex; close(): void }> {
  const { PortForward } = await import('@kubernetes/client-node');
  const toPod = new PassThrough();
  const opened: { close(): void }[] = [];
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => void toPod.write(chunk, done),
    destroy: (error, done) => {
      for (const socket of opened) socket.close();
      done(error);
    },
  });
  // Also when nobody waits for it any more.
  stream.on('error', () => {});
  const fromPod = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      stream.push(chunk);
      done();
    },
  });
  const faults = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      // The first thing on this channel is the port's number, without text.
      if (chunk.length > 0) stream.destroy(new Error(faultText(chunk.toString('utf8'), port)));
      done();
    },
  });
  const socket = (await new PortForward(config).portForward(namespace, pod, [port], fromPod, faults, toPod)) as { close(): void; on(event: string, listener: () => void): void };
  opened.push(socket);
  socket.on('close', () => stream.push(null));
  socket.on('error', () => stream.destroy(new Error('the forwarded connection broke')));
  return { stream, close: () => stream.destroy() };
}

/** The container runtime tells a long story. */
function faultText(story: string, port: number): string {
  return story.includes('connection refused') ? `nothing listens on its port ${port}; is it older than this command?` : story.trim().slice(0, 300);
}

class OneStream extends Agent {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    super();
    this.#stream = stream;
  }

  override createConnection(_options: ClientRequestArgs): Duplex {
    return this.#stream;
  }
}

function getJson(stream: Duplex, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(stream.errored ?? new Error('the Pod closed the connection'));
    // It may have broken before anybody listened.
    if (stream.destroyed) return ended();
    stream.once('close', ended);
    const sent = request({ path, agent: new OneStream(stream), headers: { host: 'localhost', connection: 'close' }, signal: AbortSignal.timeout(limitMs) }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxAnswer) sent.destroy(new Error(`an answer of more than ${maxAnswer} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode !== 200) return reject(new Error(`${response.statusCode} ${text.slice(0, 200)}`));
        try {
          resolve(JSON.parse(text));
        } catch {
          reject(new Error(`no JSON: ${text.slice(0, 200)}`));
        }
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
