import { createServer, request, type IncomingMessage } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { responseOf, StreamClient } from '../component/proxy-http2-rig.ts';
import { RawClient } from '../component/proxy-rig.ts';
import { weftUp } from './process.ts';
import { namespace, sleep, type Place } from './rig.ts';

/** SIGTERM of `weft up`, which holds a gateway and a sidecar, while everything is open: what began ends well, and then the process ends. */

const at = addresses(97);
const port = 18_091;

/** Answers GET after 30 ms with 20 KB in two pieces, a POST with the length of its body, an upgrade by sending back what comes. */
async function application(t: ExecutionContext): Promise<void> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    let length = 0;
    incoming.on('data', (part: Buffer) => (length += part.length));
    incoming.on('end', () => {
      if (incoming.method === 'POST') response.end(String(length));
      else {
        response.write('a'.repeat(10_000));
        setTimeout(() => response.end('b'.repeat(10_000)), 30);
      }
    });
  });
  server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, at(2), resolve));
  t.teardown(() => server.close().closeAllConnections());
}

interface Counts {
  whole: number;
  /** Cut, or an error of the proxy. */
  bad: string[];
  /** The connection was closed before a byte of the response: a client may send it again. */
  notBegun: number;
}

function newCounts(): Counts {
  return { whole: 0, bad: [], notBegun: 0 };
}

/** One kept-alive connection after the other, until nobody accepts any more. */
async function keepAliveClient(place: Place, counts: Counts, target = '/'): Promise<void> {
  for (;;) {
    const client = new RawClient(place.port, place.address);
    for (let uses = 0; ; uses++) {
      client.text = '';
      client.send(`GET ${target} HTTP/1.1\r\nHost: web\r\n\r\n`);
      try {
        await client.until((text) => text.startsWith('HTTP/1.1 200 ') && text.endsWith('0\r\n\r\n'), 10_000);
      } catch {
        const refused = client.error === 'ECONNREFUSED';
        if (client.text !== '') counts.bad.push(client.text.slice(0, 60));
        else if (!refused) counts.notBegun++;
        client.close();
        if (refused) return;
        break;
      }
      counts.whole++;
      if (/connection: close/i.test(client.text)) {
        client.close();
        break;
      }
      await sleep(5);
    }
  }
}

function upload(place: Place, pieces: number): Promise<string> {
  return new Promise((resolve) => {
    const call = request({ host: place.address, port: place.port, method: 'POST', agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => (body += part)).on('end', () => resolve(`${response.statusCode} ${body}`));
    });
    call.on('error', (error) => resolve(error.message));
    void (async () => {
      for (let piece = 0; piece < pieces; piece++) {
        call.write('x'.repeat(1000));
        await sleep(50);
      }
      call.end();
    })();
  });
}

async function webSocket(place: Place, rounds: number): Promise<number> {
  const client = new RawClient(place.port, place.address);
  client.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n');
  await client.until((text) => text.includes('101 '));
  let echoed = 0;
  for (let round = 0; round < rounds; round++) {
    client.text = '';
    client.send(`round ${round}`);
    await client.until((text) => text === `round ${round}`);
    echoed++;
    await sleep(50);
  }
  client.socket.end();
  await client.all();
  client.close();
  return echoed;
}

/** One HTTP/2 connection after the other, with four streams at a time on each, until nobody accepts any more. */
async function streamClient(place: Place, counts: Counts): Promise<void> {
  for (let refused = false; !refused; ) {
    const client = new StreamClient(`http://${place.address}:${place.port}`);
    let leaving = false;
    client.session.on('goaway', () => (leaving = true));
    client.session.on('close', () => (leaving = true));
    client.session.on('error', (error: NodeJS.ErrnoException) => (refused ||= error.code === 'ECONNREFUSED'));
    const lane = async (): Promise<void> => {
      while (!leaving && !client.session.destroyed) {
        const told = await client.fetch().catch((error: Error) => error.message);
        if (typeof told !== 'string' && told.status === 200 && told.body.length === 20_000) counts.whole++;
        // REFUSED_STREAM, or a session that had ended before the request was sent.
        else if (told === 'reset 7' || leaving || client.session.destroyed) counts.notBegun++;
        else counts.bad.push(JSON.stringify(told).slice(0, 80));
        await sleep(5);
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    client.close();
  }
}

/** An upload on a stream, a piece each 50 ms. */
async function streamUpload(place: Place, pieces: number): Promise<string> {
  const client = new StreamClient(`http://${place.address}:${place.port}`);
  const stream = client.open({ ':method': 'POST' }, 'goes-on');
  const response = responseOf(stream);
  for (let piece = 0; piece < pieces; piece++) {
    stream.write('x'.repeat(1000));
    await sleep(50);
  }
  stream.end();
  const told = await response.then(({ status, body }) => `${status} ${body}`, (error: Error) => error.message);
  client.close();
  return told;
}

/** A TCP connection that asks and is answered. */
async function byteStream(place: Place, rounds: number): Promise<number> {
  const client = new RawClient(place.port, place.address);
  let echoed = 0;
  for (let round = 0; round < rounds; round++, echoed++) {
    client.text = '';
    client.send(`round ${round}`);
    await client.until((text) => text === `round ${round}`);
    await sleep(50);
  }
  client.close();
  return echoed;
}

const gateway = (http: Place, tcp: Place): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: g, namespace: shop }
spec:
  gatewayClassName: weft
  addresses: [{ value: ${http.address} }]
  listeners:
    - { name: http, port: ${http.port}, protocol: HTTP }
    - { name: tcp, port: ${tcp.port}, protocol: TCP, allowedRoutes: { kinds: [{ kind: TCPRoute }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: bytes, namespace: shop }
spec: { parentRefs: [{ name: g, sectionName: tcp }], rules: [{ backendRefs: [{ name: bytes, port: 80 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec: { parentRefs: [{ name: g, sectionName: http }], rules: [{ backendRefs: [{ name: web, port: 80 }] }] }
`;

/** Sends back what comes. */
async function echo(t: ExecutionContext): Promise<void> {
  const server = createTcpServer((socket) => void socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(port + 1, at(2), resolve));
  t.teardown(() => void server.close());
}

test('SIGTERM of gateway and sidecar with keep-alive connections, streams, uploads, WebSockets and TCP open: nothing is cut', async (t) => {
  t.timeout(60_000);
  await application(t);
  await echo(t);
  const place = { address: at(1), port: 18_080 };
  const tcp = { ...place, port: 18_081 };
  const sidecar = { address: at(3), port: 15_001 };
  const manifests = [
    namespace.replace('name: shop', 'name: shop, labels: { weft-mesh.io/inject: enabled }'), gateway(place, tcp), yaml.service('web', 'web', port), yaml.service('bytes', 'web', port + 1),
    yaml.pod('p', 'web', at(2), 'disabled'), yaml.pod('caller', 'caller', sidecar.address),
  ];
  const running = await weftUp(yaml.join(...manifests), { words: ['--drain', '10'] });
  t.teardown(() => running.kill());
  const kinds = { 'keep-alive': newCounts(), 'HTTP/2': newCounts(), sidecar: newCounts() };
  const clients = Promise.all([
    ...Array.from({ length: 12 }, () => keepAliveClient(place, kinds['keep-alive'])),
    ...Array.from({ length: 3 }, () => streamClient(place, kinds['HTTP/2'])),
    ...Array.from({ length: 4 }, () => keepAliveClient(sidecar, kinds.sidecar, 'http://web/')),
  ]);
  const uploads = Promise.all([...Array.from({ length: 8 }, () => upload(place, 40)), ...Array.from({ length: 4 }, () => streamUpload(place, 40))]);
  const sockets = Promise.all([...Array.from({ length: 4 }, () => webSocket(place, 40)), ...Array.from({ length: 4 }, () => byteStream(tcp, 40))]);
  await sleep(800);
  running.child.kill('SIGTERM');
  const started = performance.now();
  t.deepEqual([...new Set(await uploads)], ['200 40000']);
  t.deepEqual(await sockets, [40, 40, 40, 40, 40, 40, 40, 40]);
  await clients;
  t.is(await running.exit, 0);
  const told = Object.entries(kinds).map(([kind, { whole, bad, notBegun }]) => `${kind}: ${whole} requests, ${bad.length} cut, ${notBegun} not begun`);
  t.log(`${told.join('; ')}; 12 uploads, 4 WebSockets and 4 TCP connections whole; ended ${((performance.now() - started) / 1000).toFixed(1)} s after the signal`);
  for (const { bad, whole } of Object.values(kinds)) {
    t.deepEqual(bad, []);
    t.true(whole > 20, `${whole} requests`);
  }
});
