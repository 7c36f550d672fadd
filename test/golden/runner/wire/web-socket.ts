import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';

export interface WebSocketReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What came back on the WebSocket; of a refusal, its body. */
  readonly body: string;
}

export interface WebSocketHead {
  readonly authority: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** A WebSocket over HTTP/2 (RFC 8441) without TLS, on a connection of its own; something is said on it. */
export async function openWebSocket(to: { readonly address: string; readonly port: number }, head: WebSocketHead, patienceMs: number): Promise<WebSocketReply> {
  const session = connect(`http://${to.address}:${to.port}`);
  try {
    return await open(session, head, patienceMs);
  } finally {
    session.destroy();
  }
}

function open(session: ClientHttp2Session, head: WebSocketHead, patienceMs: number): Promise<WebSocketReply> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    // RFC 8441, 3: not before the server has said that it takes them.
    session.once('remoteSettings', ({ enableConnectProtocol }) => {
      if (enableConnectProtocol !== true) {
        reject(new Error('the server offers no extended CONNECT'));
        return;
      }
      const asked = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': head.path, ':authority': head.authority, 'sec-websocket-version': '13' };
      talk(session.request({ ...asked, ...head.headers }, { endStream: false, signal: AbortSignal.timeout(patienceMs) }), resolve, reject);
    });
  });
}

function talk(stream: ClientHttp2Stream, resolve: (reply: WebSocketReply) => void, reject: (error: Error) => void): void {
  stream.on('error', reject);
  stream.on('response', (lines) => {
    const headers = Object.fromEntries(Object.entries(lines).map(([name, value]) => [name, String(value)]));
    const status = Number(headers[':status']);
    let body = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
      if (status === 200) resolve({ status, headers, body });
    });
    stream.on('end', () => resolve({ status, headers, body }));
    if (status === 200) stream.write('hello');
  });
}
