import { connect } from 'node:tls';
import { Duplex } from 'node:stream';
import { sleep } from './sockets.ts';

/** A whole ClientHello, as OpenSSL writes it. */
export async function clientHello(): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const wire = new Duplex({
    read: () => {},
    write: (bytes: Buffer, _encoding, done) => {
      pieces.push(bytes);
      done();
    },
  });
  const socket = connect({ socket: wire, servername: 'strict.test' });
  socket.on('error', () => {});
  await sleep(50);
  socket.destroy();
  return Buffer.concat(pieces);
}
