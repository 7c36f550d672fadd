import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { splitLines } from './lines.ts';
import { SilentError, TooLongError, type ApiAnswer, type ApiRequest, type ApiStream, type KubeApi } from './types.ts';

const defaultTimeoutMs = 30_000;
const defaultMaxBytes = 256 << 20;
/** An error's text is not worth more. */
const maxFaultBytes = 1 << 20;
const keepAliveMs = 15_000;

/**
 * The API server that a kubeconfig names, or the one around a Pod. Credentials are read anew for each request, so that a token or
 * certificate that was rotated is used; connections are kept and shared by those with the same credentials.
 */
export function connectApi(config: KubeConfig, userAgent: string): KubeApi {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig has no current cluster');
  const base = new URL(cluster.server);
  const agent = base.protocol === 'https:' ? new HttpsAgent({ keepAlive: true, keepAliveMsecs: keepAliveMs }) : new HttpAgent({ keepAlive: true });
  const optionsOf = async (request: ApiRequest): Promise<RequestOptions> => {
    const options: RequestOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    // A proxy needs an agent of its own kind. Else ours: the library's holds on to the credentials it first saw.
    if (cluster.proxyUrl === undefined) options.agent = agent;
    const url = new URL(base);
    url.pathname = `${base.pathname.replace(/\/$/, '')}${request.path}`;
    url.search = new URLSearchParams(request.query).toString();
    const body = request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' };
    return {
      ...options,
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      path: `${url.pathname}${url.search}`,
      method: request.method ?? 'GET',
      headers: { ...options.headers, accept: 'application/json', 'user-agent': userAgent, ...body },
    };
  };
  return {
    send: async (request) => readAnswer(await open(await optionsOf(request), request), request.maxBytes ?? defaultMaxBytes),
    stream: async (request) => {
      const opened = await open(await optionsOf(request), request);
      return opened.response.statusCode === 200 ? streamOf(opened, request) : readAnswer(opened, maxFaultBytes);
    },
  };
}

interface Opened {
  readonly response: IncomingMessage;
  /** Ends the time limit of the exchange. */
  settled(): void;
  destroy(error?: Error): void;
}

/** Sends, and waits for the head of the answer. */
function open(options: RequestOptions, { body, signal, timeoutMs = defaultTimeoutMs }: ApiRequest): Promise<Opened> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const sent = (options.protocol === 'http:' ? httpRequest : httpsRequest)(options);
    const abort = (): unknown => sent.destroy(new Error('given up'));
    const timer = setTimeout(() => sent.destroy(new Error(`no complete answer within ${timeoutMs} ms`)), timeoutMs);
    const settled = (): void => clearTimeout(timer);
    signal?.addEventListener('abort', abort, { once: true });
    sent.on('response', (response) => {
      // Its reader hears of errors; before there is one nobody else must.
      response.on('error', () => {});
      resolve({ response, settled, destroy: (error) => sent.destroy(error) });
    });
    sent.on('error', reject);
    sent.on('close', () => {
      settled();
      signal?.removeEventListener('abort', abort);
      // Where the answer had begun, its body's reader hears of the end; this is then without effect.
      reject(new Error('the connection was closed'));
    });
    sent.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function readAnswer({ response, settled, destroy }: Opened, maxBytes: number): Promise<ApiAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw new TooLongError(`an answer longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    destroy();
    throw error;
  }
  settled();
  const retryAfterMs = retryAfter(response);
  return { status: response.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString('utf8')), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function streamOf({ response, settled, destroy }: Opened, { idleMs }: { readonly idleMs: number }): ApiStream {
  settled();
  let silent = false;
  const idle = setTimeout(() => {
    silent = true;
    destroy();
  }, idleMs);
  const lines = async function* (): AsyncGenerator<string> {
    try {
      yield* splitLines(response as AsyncIterable<Buffer>, () => idle.refresh());
    } catch (error) {
      throw silent ? new SilentError(`nothing came for ${idleMs} ms`, { cause: error }) : error;
    } finally {
      clearTimeout(idle);
      destroy();
    }
  };
  return {
    lines: lines(),
    close: () => {
      clearTimeout(idle);
      destroy();
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Seconds only: Kubernetes writes no dates there. */
function retryAfter(response: IncomingMessage): number | undefined {
  const seconds = Number(response.headers['retry-after']);
  return response.headers['retry-after'] === undefined || !Number.isFinite(seconds) || seconds < 0 ? undefined : seconds * 1000;
}
