import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import test from 'ava';
import { isBroken, prepareBroken } from './broken.ts';

const psk = Buffer.alloc(16, 7);
const secrets = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;

for (const how of ['stays', 'has left, so that what it is sent is answered with a reset'] as const) {
  test(`an end in order of a client that ${how}`, async (t) => {
    await prepareBroken();
    const server = createServer({ ...secrets, allowHalfOpen: true, pskCallback: () => psk });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const client = connect({ ...secrets, port: (server.address() as AddressInfo).port, host: '127.0.0.1', pskCallback: () => ({ psk, identity: 'x' }), checkServerIdentity: () => undefined });
    const [socket] = await accepted;
    server.close();
    socket.on('error', t.fail);
    await new Promise<void>((resolve) => client.end('all', resolve));
    if (how !== 'stays') {
      client.destroy();
      await once(client, 'close');
      socket.write('too late');
    }
    const ended = once(socket, 'end');
    let got = '';
    socket.on('data', (bytes: Buffer) => (got += String(bytes)));
    await ended;
    t.deepEqual([got, isBroken(socket)], ['all', false]);
    socket.destroy();
    client.destroy();
  });
}
