import { readFileSync } from 'node:fs';
import { createServer, DEFAULT_CIPHERS } from 'node:tls';

/**
 * `node floor.ts PORT CHAIN KEY BYTES`: what `node:tls` costs by itself: a handshake, a fixed answer, the end. No request is looked at, nothing is behind it,
 * nothing is logged: whatever ends TLS in Node costs more.
 */

const [port, chain = '', key = '', bodyBytes] = process.argv.slice(2);
const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${bodyBytes}\r\nconnection: close\r\n\r\n${'x'.repeat(Number(bodyBytes))}`);
const ciphers = `TLS_AES_128_GCM_SHA256:${DEFAULT_CIPHERS}`;
createServer({ cert: readFileSync(chain), key: readFileSync(key), ciphers }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.end(answer));
}).listen(Number(port), '127.0.0.1');
