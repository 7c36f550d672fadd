import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';

/**
 * `node upstream.ts <address> <port>`, forked: what is attacked forwards to it. `/`: an answer at once. `/large`: 64 MiB, as fast as they are
 * taken. `/stall`: takes no byte of the body. `/reset`: never answers. Tells its counts when asked, and begins anew with them.
 */

const [address = '127.0.0.1', port = '0'] = process.argv.slice(2);
const piece = Buffer.alloc(65_536, 'x');
let poured = 0;
let begun = 0;

function pour(socket: Socket): void {
  let left = 1024;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${left * piece.length}\r\n\r\n`);
  // A piece in a turn: the kernel takes megabytes at once, and others have to be answered in between.
  const more = (): void => {
    if (left === 0 || !socket.writable) return;
    left--;
    poured += piece.length;
    if (socket.write(piece)) setImmediate(more);
  };
  socket.on('drain', more);
  more();
}

const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    const text = bytes.toString('latin1', 0, 16);
    if (text.startsWith('GET /large')) pour(socket);
    else if (text.startsWith('POST /stall')) socket.pause();
    else if (text.startsWith('GET /reset')) begun++;
    else if (text.startsWith('GET')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
});
const udp = createSocket('udp4');
udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address));
udp.bind(Number(port), address);
server.listen(Number(port), address, 4096, () => process.send!('ready'));
process.on('message', () => {
  process.send!({ poured, begun });
  poured = begun = 0;
});
process.on('disconnect', () => process.exit());
