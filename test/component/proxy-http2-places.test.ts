import { connect, type Socket } from 'node:net';
import { queryObjects } from 'node:v8';
import test from 'ava';
import { Exchange } from '../../proxy/exchange/exchange.ts';
import { block, endStream, frame, headers, number, preface, settings, type } from '../strict/http2/wire.ts';
import { rawServer, startRig } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

const head = block([[':method', 'GET'], [':scheme', 'http'], [':authority', 'x'], [':path', '/']]);

test('what many requests at a time have taken is given back once a connection has few', async (t) => {
  const server = await rawServer(() => {});
  const rig = await startRig({ backends: { a: [server.port] } });
  const clients: Socket[] = [];
  for (let index = 0; index < 5; index++) {
    const client = connect(rig.listener.port, '127.0.0.1');
    clients.push(client);
    client.on('error', () => {}).resume();
    const ids = Array.from({ length: 100 }, (_, at) => 2 * at + 1);
    // They get no answer, and all but one are taken back.
    client.write(Buffer.concat([preface, settings({}), frame(type.settings, 1, 0), ...ids.flatMap((id) => headers(id, head, endStream))]));
    await eventually(() => server.sockets.filter(({ bytesRead, destroyed }) => bytesRead > 0 && !destroyed).length === 100 + index);
    client.write(Buffer.concat(ids.slice(1).map((id) => frame(type.reset, 0, id, number(8)))));
    await eventually(() => server.sockets.filter(({ destroyed }) => !destroyed).length === 1 + index);
  }
  const places = queryObjects(Exchange, { format: 'count' });
  t.true(places >= 5 && places <= 5 * 10, `${places} for 5 requests`);
  for (const client of clients) client.destroy();
  await rig.close();
  await server.close();
});
