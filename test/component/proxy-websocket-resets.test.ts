import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import test from 'ava';
import { rawServer, startRig } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

const request = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat', 'sec-websocket-version': '13' };

function acceptOf(head: string): string {
  return createHash('sha1').update(`${/^sec-websocket-key: (.*)\r$/im.exec(head)?.[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** RFC 9113, 4.1. */
function frameOf(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, payload.length >> 8, payload.length & 255, type, flags, 0, 0, 0, stream]), payload]);
}

/** RFC 7541, 6.2.2: literal fields, of fewer than 127 bytes. */
function literals(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(fields).map(([name, value]) => Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`, 'latin1')));
}

for (const how of ['reset with 0', 'reset with 8', 'lost with its connection']) {
  test(`a stream that is ${how} resets the endpoint's connection (RFC 8441, 5)`, async (t) => {
    const server = await rawServer((socket, text) => text.startsWith('GET ') && socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(text)}\r\n\r\n`));
    const rig = await startRig({ backends: { a: [server.port] } });
    const client = connect(rig.listener.port, '127.0.0.1').on('error', () => {});
    const head = frameOf(1, 4, 1, literals({ ':authority': 'shop.example', ...request }));
    client.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frameOf(4, 0, 0, Buffer.alloc(0)), head, frameOf(0, 0, 1, Buffer.from('said'))]));
    await eventually(() => server.received[0]?.endsWith('said') === true);
    const error = new Promise<NodeJS.ErrnoException>((resolve) => server.sockets[0]!.once('error', resolve));
    server.sockets[0]!.once('end', () => t.fail('it is no end in order'));
    // node:http2 would end the stream before.
    if (how.startsWith('reset')) client.write(frameOf(3, 0, 1, Buffer.from([0, 0, 0, Number(how.at(-1))])));
    else client.destroy();
    t.is((await error).code, 'ECONNRESET');
    client.destroy();
    await rig.close();
    await server.close();
  });
}
