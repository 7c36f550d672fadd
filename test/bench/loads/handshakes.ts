import { connect, type TLSSocket } from 'node:tls';

/**
 * `node handshakes.ts PORT SECONDS new|resumed BYTES`: connections one after the other in eight lanes, each with a handshake of TLS 1.3
 * and one request. `resumed`: with the ticket of the lane's connection before.
 */

const [port, seconds, mode, bodyBytes] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4], Number(process.argv[5])];
const request = 'GET /product/1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: */*\r\nConnection: close\r\n\r\n';
const until = performance.now() + seconds * 1000;
let [requests, resumed] = [0, 0];

function once(session: Buffer | undefined): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let ticket = session;
    let received = '';
    // The proxy is measured, so the client skips what it can: it looks at no certificate. One key exchange, so that all do the same work: left to
    // themselves, some of the proxies choose a hybrid one that withstands quantum computers, and others know none.
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.3', ecdhCurve: 'X25519', ...(mode === 'resumed' && session !== undefined ? { session } : {}) }, () => {
      if (socket.isSessionReused()) resumed += 1;
      socket.write(request);
    });
    socket.setEncoding('latin1');
    socket.on('session', (fresh) => (ticket = fresh));
    socket.on('data', (chunk: string) => (received += chunk));
    socket.once('error', reject);
    socket.once('end', () => {
      socket.destroy();
      const body = received.length - received.indexOf('\r\n\r\n') - 4;
      if (!received.startsWith('HTTP/1.1 200 ') || body !== bodyBytes) return reject(new Error(`unexpected answer: ${received.slice(0, 200)}`));
      requests += 1;
      resolve(ticket);
    });
  });
}

async function lane(): Promise<void> {
  let ticket: Buffer | undefined;
  while (performance.now() < until) ticket = await once(ticket);
}

const start = performance.now();
await Promise.all(Array.from({ length: 8 }, lane));
console.log(JSON.stringify({ requests, resumed, seconds: (performance.now() - start) / 1000 }));
