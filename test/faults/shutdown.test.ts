import { createServer, request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { RawClient } from '../component/proxy-rig.ts';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { weftUp } from './process.ts';
import { namespace, sleep, type Place } from './rig.ts';

/** SIGTERM of `weft up` while everything is open: what began ends well, and then the process ends. */

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

/** One kept-alive connection after the other, until nobody accepts any more. */
async function keepAliveClient(place: Place, counts: Counts): Promise<void> {
  for (;;) {
    const client = new RawClient(place.port, place.address);
    for (let uses = 0; ; uses++) {
      client.text = '';
      client.send(`GET / HTTP/1.1\r\nHost: x\r\n\r\n`);
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

test('SIGTERM of weft up with keep-alive connections, uploads and WebSockets open: nothing is cut', async (t) => {
  t.timeout(60_000);
  await application(t);
  const place = { address: at(1), port: 18_080 };
  const running = await weftUp(yaml.join(namespace, yaml.gateway('g', [place.port], place.address), yaml.route('r', '{ name: g }', { web: 1 }), yaml.service('web', 'web', port), yaml.pod('p', 'web', at(2))), '--drain', '10');
  t.teardown(() => running.kill());
  const counts: Counts = { whole: 0, bad: [], notBegun: 0 };
  const clients = Promise.all(Array.from({ length: 16 }, () => keepAliveClient(place, counts)));
  const uploads = Promise.all(Array.from({ length: 8 }, () => upload(place, 40)));
  const sockets = Promise.all(Array.from({ length: 4 }, () => webSocket(place, 40)));
  await sleep(800);
  running.child.kill('SIGTERM');
  const started = performance.now();
  t.deepEqual([...new Set(await uploads)], ['200 40000']);
  t.deepEqual(await sockets, [40, 40, 40, 40]);
  await clients;
  t.is(await running.exit, 0);
  t.log(`${counts.whole} requests, ${counts.bad.length} cut, ${counts.notBegun} not begun; 8 uploads and 4 WebSockets whole; ended ${((performance.now() - started) / 1000).toFixed(1)} s after the signal`);
  t.deepEqual(counts.bad, []);
  t.true(counts.whole > 100);
});
