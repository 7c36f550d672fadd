import { nginxPaths } from './backends.ts';
import type { Site } from './types.ts';

/** How requests go to the backend. */
export const nginxHeaders =
  'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;';

/** An upstream whose connections are kept. */
export function nginxUpstream(name: string, to: string): string {
  return `upstream ${name} { server ${to}; keepalive 512; keepalive_requests 100000000; keepalive_timeout 3600s; }`;
}

/** Access log written in blocks of 64 KiB, as Weft and Envoy write theirs; status counters on. Undefined: it can't do this. */
export function nginxConfiguration({ folder, scenario, port, backends, certificates }: Site): string | undefined {
  const { pair, authorityFile } = certificates;
  const certificate = `ssl_certificate ${pair.chainFile}; ssl_certificate_key ${pair.keyFile}; ssl_protocols TLSv1.3;`;
  const headers = nginxHeaders;
  const upstream = (to: number | undefined): string => nginxUpstream('backend', `127.0.0.1:${to}`);
  const body = ((): string | undefined => {
    switch (scenario) {
      case 'plain':
        return `${upstream(backends.http)} server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://backend; ${headers} } location = /nginx-status { stub_status; } }`;
      case 'terminate':
        return `${upstream(backends.http)} server { listen 127.0.0.1:${port} ssl backlog=4096; ${certificate} location / { proxy_pass http://backend; ${headers} } }`;
      case 'tls':
        return `${upstream(backends.tls)} server { listen 127.0.0.1:${port} ssl backlog=4096; ${certificate} location / { proxy_pass https://backend; proxy_ssl_certificate ${pair.chainFile}; proxy_ssl_certificate_key ${pair.keyFile}; proxy_ssl_trusted_certificate ${authorityFile}; proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.3; ${headers} } }`;
      case 'grpc':
        return `${upstream(backends.grpc)} server { listen 127.0.0.1:${port} http2 backlog=4096; http2_max_concurrent_streams 1000; client_max_body_size 0; location / { grpc_pass grpc://backend; grpc_set_header X-Request-Id $request_id; grpc_set_header X-Forwarded-Proto http; } }`;
      case 'routes':
        return undefined; // a mirror at 1 % is none of its features
    }
  })();
  if (body === undefined) return undefined;
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.err crit; worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http { access_log /dev/null combined buffer=64k flush=1s; keepalive_requests 100000000; keepalive_timeout 3600s; ${nginxPaths(folder)}
${body} }
`;
}
