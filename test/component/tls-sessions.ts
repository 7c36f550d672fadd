import { connect, type ConnectionOptions } from 'node:tls';
import { getRequest } from './proxy-rig.ts';

export interface Handshake {
  readonly resumed: boolean;
  readonly session: Buffer;
  readonly cipher: string;
}

/** A handshake and one request. Rejects where there is no answer, or where it brings no session. */
export function handshake(port: number, options: ConnectionOptions = {}): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    let session: Buffer | undefined;
    let answered = '';
    const socket = connect({ port, host: '127.0.0.1', servername: 'one.example', rejectUnauthorized: false, ...options } as ConnectionOptions);
    socket.on('session', (fresh: Buffer) => (session = fresh));
    socket.on('error', reject);
    socket.on('data', (bytes) => (answered += bytes.toString('latin1')));
    socket.on('close', () => {
      // TLS 1.2 brings none when it resumes one.
      session ??= options.session;
      if (session === undefined || !answered.startsWith('HTTP/1.1 ')) reject(new Error(`closed ${session === undefined ? 'without a session' : ''} ${answered}`));
      else resolve({ resumed, session, cipher });
    });
    let [resumed, cipher] = [false, ''];
    socket.on('secureConnect', () => {
      [resumed, cipher] = [socket.isSessionReused(), socket.getCipher().standardName];
      socket.write(getRequest('/', 'Connection: close\r\n', 'one.example'));
    });
  });
}
