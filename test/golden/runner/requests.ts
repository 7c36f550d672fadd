import type { RequestExpectation } from './expectation.ts';

/** A request of a case, taken apart as a client would, with nothing normalised. */
export interface Addressed {
  readonly scheme: 'http' | 'https';
  /** `grpc`: a request over HTTP/2. The others are connections, or datagrams; what they carry here is HTTP all the same, so that the Pod can say who it is. */
  readonly protocol?: 'grpc' | 'tls' | 'tcp' | 'udp';
  /** `{namespace}/{name}`. */
  readonly gateway?: string;
  /** `{namespace}/{pod}`. */
  readonly client?: string;
  readonly method: string;
  /** The URL's host, as written. */
  readonly dialled: string;
  readonly port: number;
  /** The Host header: the case's own, else the URL's. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

export function addressed({ via, from, method, url, headers }: RequestExpectation): Addressed {
  const [, scheme, dialled, port, target] = /^(https?|grpc|tls|tcp|udp):\/\/(\[[^/?\]]+\]|[^/:?]+)(?::(\d+))?(.*)$/.exec(url) ?? [];
  if (scheme === undefined || dialled === undefined) throw new Error(`${url} is no URL of a case`);
  const gateway = via === undefined ? undefined : /^gateway (\S+)$/.exec(via)?.[1];
  if ((gateway === undefined) === (from === undefined)) throw new Error(`${url}: a request has either "via: gateway …" or "from: …"`);
  const written = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'host')?.[1];
  return {
    scheme: scheme === 'https' || scheme === 'tls' ? 'https' : 'http',
    ...(scheme === 'http' || scheme === 'https' ? {} : { protocol: scheme as NonNullable<Addressed['protocol']> }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(from === undefined ? {} : { client: from }),
    method: method ?? (scheme === 'grpc' ? 'POST' : 'GET'),
    dialled,
    port: port === undefined ? (scheme === 'https' || scheme === 'tls' ? 443 : 80) : Number(port),
    host: typeof written === 'string' ? written : port === undefined ? dialled : `${dialled}:${port}`,
    target: target === '' || target === undefined ? '/' : target,
  };
}

/** Of a request: lower-case names, lines of one name joined. */
export function headersOf({ headers }: RequestExpectation, { protocol }: Addressed): ReadonlyMap<string, string> {
  const written = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), typeof value === 'string' ? value : value.join(', ')] as const);
  return new Map([...(protocol === 'grpc' ? [['content-type', 'application/grpc'] as const] : []), ...written]);
}

/** Whether it is about a connection or datagrams, and not about a request. */
export function isStream({ protocol }: Addressed): boolean {
  return protocol !== undefined && protocol !== 'grpc';
}
