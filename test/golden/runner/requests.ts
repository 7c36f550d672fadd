import type { RequestExpectation } from './expectation.ts';

/** A request of a case, taken apart as a client would, with nothing normalised. */
export interface Addressed {
  readonly scheme: 'http' | 'https';
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
  const [, scheme, dialled, port, target] = /^(https?):\/\/([^/:?]+)(?::(\d+))?(.*)$/.exec(url) ?? [];
  if (scheme === undefined || dialled === undefined) throw new Error(`${url} is no URL of a case`);
  const gateway = via === undefined ? undefined : /^gateway (\S+)$/.exec(via)?.[1];
  if ((gateway === undefined) === (from === undefined)) throw new Error(`${url}: a request has either "via: gateway …" or "from: …"`);
  const written = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'host')?.[1];
  return {
    scheme: scheme as 'http' | 'https',
    ...(gateway === undefined ? {} : { gateway }),
    ...(from === undefined ? {} : { client: from }),
    method: method ?? 'GET',
    dialled,
    port: port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port),
    host: typeof written === 'string' ? written : port === undefined ? dialled : `${dialled}:${port}`,
    target: target === '' || target === undefined ? '/' : target,
  };
}
