import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A proxy under test: how to start it, and where it listens. All forward to the backend on `backendPort`. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
}

export const backendPort = 19000;

/** Writes each peer's configuration below `folder`; peers that are not installed are left out. */
export function peers(folder: string): Target[] {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const all: Target[] = [
    { name: 'nginx', port: 19001, command: ['nginx', '-p', folder, '-c', write('nginx.conf', nginx(folder, 19001))] },
    { name: 'HAProxy', port: 19002, command: ['haproxy', '-db', '-q', '-f', write('haproxy.cfg', haproxy(19002))] },
    { name: 'Envoy', port: 19003, command: ['envoy', '--concurrency', '1', '--disable-hot-restart', '-l', 'error', '-c', write('envoy.yaml', envoy(19003))] },
  ];
  return all.filter((target) => installed(target.command[0]!));
}

/** The backend: 1 KiB under `/`, 64 KiB under `/large`. */
export function backend(folder: string): Target {
  mkdirSync(join(folder, 'www'), { recursive: true });
  writeFileSync(join(folder, 'www/small'), 'x'.repeat(1024));
  writeFileSync(join(folder, 'www/large'), 'x'.repeat(65_536));
  const path = join(folder, 'backend.conf');
  writeFileSync(path, `daemon off; worker_processes 1; pid ${folder}/backend.pid; error_log ${folder}/backend.err crit;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600s; default_type text/plain; client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3; uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
server { listen 127.0.0.1:${backendPort} backlog=4096; root ${folder}/www; open_file_cache max=10; sendfile on; location = /large { } location / { try_files /small =404; } } }
`);
  return { name: 'backend', port: backendPort, command: ['nginx', '-p', folder, '-c', path] };
}

/** The same routing and policy as the Envoy mesh configuration: a header rule, a catch-all, retries, a timeout; access log on. */
export function weft(folder: string, port: number): Target {
  mkdirSync(join(folder, 'weft'), { recursive: true });
  writeFileSync(join(folder, 'weft/mesh.yaml'), `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: bench, namespace: default }
spec: { gatewayClassName: weft, listeners: [{ name: http, protocol: HTTP, port: ${port} }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: bench, namespace: default }
spec:
  parentRefs: [{ name: bench }]
  rules:
    - matches: [{ headers: [{ name: end-user, value: jason }] }]
      backendRefs: [{ name: backend, port: ${backendPort} }]
    - backendRefs: [{ name: backend, port: ${backendPort} }]
      timeouts: { request: 15s }
      retry: { attempts: 2, codes: [503] }
---
apiVersion: v1
kind: Service
metadata: { name: backend, namespace: default }
spec: { ports: [{ port: ${backendPort} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: backend, namespace: default, labels: { kubernetes.io/service-name: backend } }
addressType: IPv4
ports: [{ port: ${backendPort} }]
endpoints: [{ addresses: [127.0.0.1], conditions: { ready: true } }]
`);
  return { name: 'Weft', port, command: ['node', 'cli/weft.mjs', 'up', '-f', join(folder, 'weft'), '--access-log', '/dev/null'] };
}

export function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

function nginx(folder: string, port: number): string {
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.err crit;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600s; client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3; uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
upstream be { server 127.0.0.1:${backendPort}; keepalive 512; keepalive_requests 100000000; keepalive_timeout 3600s; }
server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://be; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id; } } }
`;
}

function haproxy(port: number): string {
  return `global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend f
  bind 127.0.0.1:${port} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Request-Id %[uuid()]
  default_backend b
backend b
  server s1 127.0.0.1:${backendPort} pool-max-conn 512
`;
}

const httpManager = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const filters = 'type.googleapis.com/envoy.extensions.filters.http';

/** What a mesh asks of Envoy: authorization, fault and CORS filters, a header route, retries, a text access log. */
function envoy(port: number): string {
  const route = { cluster: 'be', timeout: '15s', retry_policy: { retry_on: 'connect-failure,refused-stream,retriable-status-codes', retriable_status_codes: [503], num_retries: 2 } };
  return JSON.stringify({
    static_resources: {
      listeners: [{ name: 'mesh', address: socket(port), filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: {
        '@type': httpManager,
        stat_prefix: 'mesh',
        use_remote_address: true,
        access_log: [{ name: 'envoy.access_loggers.file', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog', path: '/dev/null' } }],
        route_config: { name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes: [
          { match: { prefix: '/', headers: [{ name: 'end-user', string_match: { exact: 'jason' } }] }, route: { cluster: 'be' } },
          { match: { prefix: '/' }, route },
        ] }] },
        http_filters: [
          { name: 'envoy.filters.http.rbac', typed_config: { '@type': `${filters}.rbac.v3.RBAC`, rules: { action: 'ALLOW', policies: { p: { permissions: [{ any: true }], principals: [{ any: true }] } } } } },
          { name: 'envoy.filters.http.fault', typed_config: { '@type': `${filters}.fault.v3.HTTPFault` } },
          { name: 'envoy.filters.http.cors', typed_config: { '@type': `${filters}.cors.v3.Cors` } },
          { name: 'envoy.filters.http.router', typed_config: { '@type': `${filters}.router.v3.Router` } },
        ],
      } }] }] }],
      clusters: [{ name: 'be', type: 'STATIC', connect_timeout: '5s', circuit_breakers: { thresholds: [{ max_connections: 8192, max_pending_requests: 8192, max_requests: 8192 }] },
        load_assignment: { cluster_name: 'be', endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(backendPort) } }] }] } }],
    },
  }, null, 2);
}

function socket(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
