import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from '../programs/certificates.ts';
import type { Tools } from '../programs/install.ts';
import { freePort } from '../programs/ports.ts';
import { cores, Program } from '../programs/program.ts';
import type { Backends } from './types.ts';

/** Bytes of the answer of `/large`; of all others `smallBytes`. */
export const largeBytes = 65_536;
export const smallBytes = 1024;
/** What a gRPC call is answered: the frame's head and 64 bytes. */
const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 64]), Buffer.alloc(64, 'm')]);
export const grpcMessageFile = 'request.bin';

/** nginx for HTTP and TLS, nghttpd for gRPC, on the core of the backend. */
export async function startBackends(folder: string, certificates: Certificates, tools: Tools): Promise<{ readonly backends: Backends; readonly programs: readonly [Program, ...Program[]] }> {
  mkdirSync(join(folder, 'www/svc'), { recursive: true });
  writeFileSync(join(folder, 'www/large'), 'x'.repeat(largeBytes));
  writeFileSync(join(folder, 'www/svc/M'), message);
  writeFileSync(join(folder, grpcMessageFile), message);
  const backends: Backends = { http: await freePort(), tls: await freePort(), grpc: tools.nghttpd ? await freePort() : undefined };
  const path = join(folder, 'backend.conf');
  writeFileSync(path, nginx(folder, backends, certificates));
  const web = new Program({ name: 'the backend', cores: cores.backend, command: ['nginx', '-p', folder, '-c', path] });
  await web.listening(backends.http);
  if (backends.grpc === undefined) return { backends, programs: [web] };
  const grpc = new Program({ name: 'the gRPC backend', cores: cores.backend, command: ['nghttpd', '--no-tls', '-a', '127.0.0.1', String(backends.grpc), '-d', join(folder, 'www'), '--trailer=grpc-status:0', '-m', '1000', '-W', '20', '-w', '20'] });
  await grpc.listening(backends.grpc);
  return { backends, programs: [web, grpc] };
}

/** Folders for what nginx would write, so that it needs no rights. */
export function nginxPaths(folder: string): string {
  const names = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return names.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
}

function nginx(folder: string, { http, tls }: Backends, { authorityFile, pair }: Certificates): string {
  return `daemon off; worker_processes 1; pid ${folder}/backend.pid; error_log ${folder}/backend.err crit; worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600s; default_type text/plain; ${nginxPaths(folder)}
open_file_cache max=10; sendfile on; tcp_nopush on;
server {
  listen 127.0.0.1:${http} backlog=4096; listen 127.0.0.1:${tls} ssl backlog=4096; root ${folder}/www;
  ssl_certificate ${pair.chainFile}; ssl_certificate_key ${pair.keyFile}; ssl_protocols TLSv1.3; ssl_client_certificate ${authorityFile}; ssl_verify_client on;
  location = /large { }
  location / { return 200 "${'x'.repeat(smallBytes)}"; }
} }
`;
}
