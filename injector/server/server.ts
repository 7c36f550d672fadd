import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { injectLabel } from '../names.ts';
import type { Injection, NamespaceFacts } from '../patch/types.ts';
import { decodeReview, encodeReview } from './review.ts';

export interface AdmissionOptions {
  /** 0: any free port. */
  readonly port: number;
  /** All addresses unless set. */
  readonly address?: string;
  inject(pod: unknown, namespace: NamespaceFacts): Injection;
  /** After each answer: how it went, and how long it took in milliseconds. */
  answered(outcome: Outcome, milliseconds: number): void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

export type Outcome = Injection['kind'] | 'invalid';

export interface AdmissionServer {
  readonly port: number;
  /** Serves this certificate from now on; connections that are there keep theirs. PEM. */
  certify(pair: { readonly certificate: string; readonly key: string }): void;
  /** Ends each connection with its next answer, so that the API server goes elsewhere without a request lost. */
  drain(): void;
  /** Takes no more connections; answers what is in flight. */
  close(): Promise<void>;
}

/** A Pod is bounded by what the store of Kubernetes takes (1.5 MiB); a review has it once, with room for the rest. */
const maxBodyBytes = 3 * 1024 * 1024;
const maxConnections = 512;
/** Longer than the API server keeps an idle connection (90 s): were it us who close, a request could be on its way. Milliseconds. */
const keepAliveTimeout = 120_000;

/**
 * The namespaceSelector of the webhook that calls a path is what tells us of the namespace's label: so we need not watch namespaces, and
 * can't be late.
 */
const paths: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '/inject/namespace': { [injectLabel]: 'enabled' },
  '/inject/pod': {},
};

/** The HTTPS server that the API server asks. It answers nobody until it has a certificate. Rejects where the port can't be bound. */
export async function startAdmission(options: AdmissionOptions): Promise<AdmissionServer> {
  let draining = false;
  const server = createServer({ minVersion: 'TLSv1.2', maxHeaderSize: 16_384, headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout, handshakeTimeout: 5000 }, (request, response) => {
    if (draining) response.shouldKeepAlive = false;
    answer(request, options)
      .then((found) => send(response, found))
      .catch(() => response.destroy());
  });
  server.maxConnections = maxConnections;
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    certify: ({ certificate, key }) => server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }),
    drain: () => {
      draining = true;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

interface Answer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain';
  readonly body: string;
}

async function answer(request: IncomingMessage, { inject, answered, now }: AdmissionOptions): Promise<Answer> {
  const start = now();
  const labels = paths[(request.url ?? '').split('?')[0]!];
  if (labels === undefined) return plain(404, `There are ${Object.keys(paths).join(' and ')}.`);
  if (request.method !== 'POST') return plain(405, 'POST only.');
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return plain(415, 'application/json only.');
  const body = await readBody(request);
  if (body === undefined) return plain(413, `At most ${maxBodyBytes} bytes.`);
  const review = decodeReview(body);
  if (!review.ok) {
    answered('invalid', now() - start);
    return plain(400, review.error);
  }
  const { uid, namespace, object } = review.value;
  const injection = inject(object, { name: namespace, labels });
  const encoded = encodeReview(uid, injection);
  answered(injection.kind, now() - start);
  return { status: 200, type: 'application/json', body: encoded };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain', body: `${text}\n` };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  const bytes = Buffer.from(body);
  // A body that was not read to its end can't be followed by another request.
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...(status === 413 ? { connection: 'close' } : {}) });
  response.end(bytes);
}
