import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { later } from '../cluster.ts';
import { Load } from './generator.ts';

/** What the tests of faults rest on: a request that fails is counted, once, with its reason. */

test('answers are counted, and every kind of failure', async (t) => {
  let turn = 0;
  const server = createServer((incoming, response) => {
    turn++;
    if (turn % 10 === 1) return void incoming.socket.destroy();
    if (turn % 10 === 2) return void response.writeHead(503, { 'x-weft-error': 'connect-failed' }).end();
    if (turn % 10 === 3) {
      response.writeHead(200, { 'content-length': '100' }).write('{"pod":');
      return void setTimeout(() => incoming.socket.destroy(), 5);
    }
    if (turn % 10 === 4) return;
    response.end(JSON.stringify({ pod: 'one' }));
  });
  const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
  const load = new Load({ url: `http://127.0.0.1:${port}/`, rate: 100, timeoutMs: 500 }, () => performance.now());
  await later(1000);
  const { sent, answered, failed, reasons, pods } = await load.stop();
  server.closeAllConnections();
  server.close();
  t.true(sent > 50);
  t.is(answered + failed, sent);
  t.is(pods['one'], answered);
  t.true(failed >= Math.floor(sent / 10) * 4, JSON.stringify(reasons));
  for (const kind of ['503 connect-failed', 'no answer in time', 'answer cut off', 'ECONNRESET']) t.true(Object.keys(reasons).some((reason) => reason.startsWith(kind)), `${kind}: ${JSON.stringify(reasons)}`);
});
