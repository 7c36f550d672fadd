import { connect, constants, type ClientHttp2Session } from 'node:http2';

export interface GrpcReply {
  readonly status: number;
  /** Trailers included. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A call over HTTP/2 without TLS, on a connection of its own. `path`: `/{service}/{method}`. */
export async function callGrpc(to: { readonly address: string; readonly port: number }, head: { readonly authority: string; readonly path: string; readonly headers: Readonly<Record<string, string | readonly string[]>> }, patienceMs: number): Promise<GrpcReply> {
  const session = connect(`http://${to.address}:${to.port}`);
  try {
    return await call(session, head, patienceMs);
  } finally {
    session.destroy();
  }
}

function call(session: ClientHttp2Session, head: Parameters<typeof callGrpc>[1], patienceMs: number): Promise<GrpcReply> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': head.path, ':authority': head.authority, 'content-type': 'application/grpc', te: 'trailers', ...head.headers }, { signal: AbortSignal.timeout(patienceMs) });
    const headers: Record<string, string> = {};
    const keep = (lines: Readonly<Record<string, unknown>>): void => {
      for (const [name, value] of Object.entries(lines)) headers[name] = String(value);
    };
    let body = '';
    stream.on('response', keep).on('trailers', keep).on('error', reject);
    stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    stream.on('close', () => {
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) resolve({ status: Number(headers[':status'] ?? 0), headers, body });
      else reject(new Error(`the stream was reset with code ${stream.rstCode}`));
    });
    // One message of no length (gRPC over HTTP/2, Length-Prefixed-Message).
    stream.end(Buffer.alloc(5));
  });
}
