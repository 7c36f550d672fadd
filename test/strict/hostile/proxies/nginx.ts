import { existsSync } from 'node:fs';
import { nginxPaths } from '../../../bench/targets/backends.ts';
import { nginxHeaders, nginxUpstream } from '../../../bench/targets/nginx.ts';
import { bystander, http2Only, targets, victim, victimPaths, waits } from './places.ts';
import type { PeerSite } from './types.ts';

const modulePath = '/usr/lib/nginx/modules/ngx_stream_module.so';
/** What forwards datagrams (Debian package libnginx-mod-stream); undefined where it is not installed. */
export const nginxStreamModule = existsSync(modulePath) ? modulePath : undefined;

/**
 * Bodies pass in both directions as they come, in memory alone, as with a mesh's proxies: by default nginx would keep them in files. A listener
 * without TLS speaks one version of HTTP (before 1.25.1), so that HTTP/2 has one of its own, with the default bound on requests of a connection,
 * which is what nginx has against Rapid Reset. A handshake's time is that of a head, so that of HTTPS is longer.
 */
export function nginxConfiguration({ folder, chainFile, keyFile }: PeerSite): string {
  const { requestHeaders, idle, streamIdle } = waits;
  const certificate = `ssl_certificate ${chainFile}; ssl_certificate_key ${keyFile}; ssl_protocols TLSv1.3;`;
  const routes = `location / { proxy_pass http://bystander; } ${victimPaths.map((path) => `location ${path} { proxy_pass http://victim; }`).join(' ')} location = /nginx-status { stub_status; }`;
  const flows = `stream { limit_conn_zone $server_port zone=flows:1m; server { listen ${targets.udp.address}:${targets.udp.port} udp; limit_conn flows 10000; proxy_timeout 60s; proxy_pass ${victim.address}:${victim.port}; } }`;
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.err crit; worker_rlimit_nofile 20000;
${nginxStreamModule === undefined ? '' : `load_module ${nginxStreamModule};`}
events { worker_connections 40000; }
http { access_log /dev/null combined buffer=64k flush=1s; ${nginxPaths(folder)}
client_header_timeout ${requestHeaders}s; keepalive_timeout ${idle}s; client_body_timeout ${streamIdle}s; send_timeout ${streamIdle}s; proxy_read_timeout ${streamIdle}s; proxy_send_timeout ${streamIdle}s; proxy_connect_timeout 5s;
large_client_header_buffers 2 32k; client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0; http2_max_concurrent_streams 100;
${nginxHeaders}
${nginxUpstream('bystander', `${bystander.address}:${bystander.port}`)}
${nginxUpstream('victim', `${victim.address}:${victim.port}`)}
server { listen ${targets.http.address}:${targets.http.port} backlog=4096; keepalive_requests 100000000; ${routes} }
server { listen ${http2Only.address}:${http2Only.port} http2 backlog=4096; ${routes} }
server { listen ${targets.https.address}:${targets.https.port} ssl http2 backlog=4096; ${certificate} client_header_timeout 10s; ${routes} }
}
${nginxStreamModule === undefined ? '' : flows}
`;
}
