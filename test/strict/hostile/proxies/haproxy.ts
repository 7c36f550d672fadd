import { bystander, targets, victim, victimPaths, waits } from './places.ts';
import type { PeerSite } from './types.ts';

/** Its log goes to standard output, which goes nowhere. A handshake's time is that of a head, so that of HTTPS is longer. It forwards no datagrams. */
export function haproxyConfiguration({ bothFile }: PeerSite): string {
  const { requestHeaders, idle, streamIdle } = waits;
  const routes = `option forwardfor
  http-request set-header X-Request-Id %[uuid()]
  use_backend victim if { path_beg ${victimPaths.join(' ')} }
  default_backend bystander`;
  return `global
  maxconn 9950
  nbthread 1
  log stdout format raw local0
  tune.bufsize 65536
  tune.http.maxhdr 128
  tune.h2.max-concurrent-streams 100
  tune.h2.initial-window-size 262144
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout http-request ${requestHeaders}s
  timeout http-keep-alive ${idle}s
  timeout client ${streamIdle}s
  timeout server ${streamIdle}s
  http-reuse always
  retries 2
frontend http
  bind ${targets.http.address}:${targets.http.port} backlog 4096
  stats enable
  stats uri /haproxy-statistics
  http-request set-header X-Forwarded-Proto http
  ${routes}
frontend https
  bind ${targets.https.address}:${targets.https.port} ssl crt ${bothFile} ssl-min-ver TLSv1.3 alpn h2,http/1.1 backlog 4096
  timeout http-request 10s
  timeout client 10s
  http-request set-header X-Forwarded-Proto https
  ${routes}
backend bystander
  server s1 ${bystander.address}:${bystander.port} pool-max-conn 512
backend victim
  server s1 ${victim.address}:${victim.port} pool-max-conn 512
`;
}
