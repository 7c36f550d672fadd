import test from 'ava';
import { http2Rig } from './http2-rig.ts';
import { applyTo, getRequest, RawClient, rawServer, type Rig } from './proxy-rig.ts';

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
/** HEADERS on stream 1: status 200, and no more. */
const answer = Buffer.from([0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]);

test('a request that waits for a connection is served by it, though its endpoint is removed before the connection is there', async (t) => {
  let rig: Rig | undefined = undefined as Rig | undefined;
  const server = await rawServer((socket, text, connection) => {
    if (text.includes('shop.example')) socket.write(answer);
    else if (server.received[connection] === text) {
      applyTo(rig!.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [] }] } });
      socket.write(settings);
    }
  });
  rig = await http2Rig({ backends: { a: [server.port] } });
  t.teardown(async () => {
    await rig.close();
    await server.close();
  });
  const client = new RawClient(rig.listener.port).send(getRequest('/', 'Connection: close\r\n'));
  t.regex(await client.all(), /^HTTP\/1.1 200 /);
});
