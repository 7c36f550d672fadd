import type { Site } from './types.ts';

/** Its HTTP log to standard output, its statistics on. Undefined: it can't do this. */
export function haproxyConfiguration({ scenario, port, backends, certificates }: Site): string | undefined {
  const { pair, authorityFile } = certificates;
  const tls = `ssl crt ${pair.bothFile} ssl-min-ver TLSv1.3 alpn http/1.1`;
  const ways = {
    plain: { bind: '', server: `127.0.0.1:${backends.http} pool-max-conn 512` },
    terminate: { bind: tls, server: `127.0.0.1:${backends.http} pool-max-conn 512` },
    tls: { bind: tls, server: `127.0.0.1:${backends.tls} ssl crt ${pair.bothFile} ca-file ${authorityFile} verify required verifyhost localhost pool-max-conn 512` },
    grpc: { bind: 'proto h2', server: `127.0.0.1:${backends.grpc} proto h2` },
    routes: undefined, // no mirror
  } as const;
  const way = ways[scenario];
  if (way === undefined) return undefined;
  return `global
  maxconn 9950
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  http-reuse always
  retries 2
frontend f
  bind 127.0.0.1:${port} ${way.bind} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto ${way.bind.startsWith('ssl') ? 'https' : 'http'}
  http-request set-header X-Request-Id %[uuid()]
  stats enable
  stats uri /haproxy-statistics
  default_backend b
backend b
  server s1 ${way.server}
`;
}
