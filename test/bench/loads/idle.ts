import { connect } from 'node:net';

/** `node idle.ts PORT COUNT BYTES`: opens connections, makes one request on each, says `ready`, and keeps them until its input ends. */

const [port, count, bodyBytes] = process.argv.slice(2).map(Number) as [number, number, number];

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = 0;
    socket.write('GET /product/1 HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n');
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received >= bodyBytes) resolve();
    });
    socket.on('error', reject);
  });
}

for (let opened = 0; opened < count; opened += 50) await Promise.all(Array.from({ length: Math.min(50, count - opened) }, open));
console.log('ready');
process.stdin.resume().on('end', () => process.exit(0));
