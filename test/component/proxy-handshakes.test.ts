import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { ListenerSection } from '#snapshot';
import { clientHello } from '../strict/hostile/attacks/hello.ts';
import { applyTo } from './proxy-rig.ts';
import { stopped } from './stopped.ts';
import { certificateFor, eventually, startStreamRig, tlsExchange, type StreamRig } from './streams-rig.ts';

/** When TLS is begun: once the client has said something, one handshake in a turn. */

const web: ListenerSection = { name: 'web', hostname: '', protocol: 'HTTPS', certificates: ['one'], routes: 'listener/shop/gw/web' };
const passed: ListenerSection = { name: 'passed', hostname: 'passed.example', protocol: 'TLS', mode: 'Passthrough', routes: 'listener/shop/gw/passed' };
/** The latter is looked at before it is known where it goes. */
const ports = { HTTPS: [web], 'HTTPS beside TLS': [web, passed] } as const;

async function listening(rig: StreamRig, sections: readonly ListenerSection[]): Promise<number> {
  applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'one', ...certificateFor('strict.test') }] } });
  return (await rig.listen(sections)).port;
}

function client(t: ExecutionContext, port: number, said?: Buffer): Socket {
  const socket = connect(port, '127.0.0.1', () => said === undefined || socket.write(said));
  t.teardown(() => socket.destroy());
  return socket.on('error', () => {});
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
const failed = async (rig: StreamRig): Promise<string> => (await rig.metricLines('weft_client_tls_handshakes_failed_total')).join();

for (const [name, sections] of Object.entries(ports)) {
  test.serial(`${name}: one ClientHello is answered in a turn, and who has left by then takes none`, async (t) => {
    const { rig, turn, goOn } = await stopped(() => startStreamRig());
    const port = await listening(rig, sections);
    t.teardown(() => rig.close());
    const hello = await clientHello();
    let answered = 0;
    const begin = (): Socket => client(t, port, hello).once('data', () => answered++);
    const left = begin();
    await settled();
    for (let count = 0; count < 3; count++) begin();
    await settled();
    left.resetAndDestroy();
    await settled();
    t.is(answered, 0, 'nothing without a turn');
    // The one in which connections were accepted is for those that may stand behind them.
    turn();
    await settled();
    t.is(answered, 0);
    for (const all of [1, 2, 3]) {
      turn();
      await eventually(() => answered >= all);
      await settled();
      t.is(answered, all);
    }
    goOn();
    t.regex(await tlsExchange(port, 'strict.test', 'GET / HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 503 /);
    t.regex(await failed(rig), /total 1$/, 'who left');
    t.deepEqual(rig.faults, []);
  });
}

test('who says nothing is let go when its time is over, who ends its side before at once', async (t) => {
  const rig = await startStreamRig({ limits: { tlsHandshakeMs: 400 } });
  const port = await listening(rig, [web]);
  t.teardown(() => rig.close());
  const start = performance.now();
  const closed = (socket: Socket): Promise<number> => new Promise((resolve) => socket.resume().on('close', () => resolve(performance.now() - start)));
  const [silent, ended] = [client(t, port), client(t, port)];
  ended.end();
  t.true((await closed(ended)) < 350);
  const after = await closed(silent);
  t.true(after > 350 && after < 3000, `${after} ms`);
  await eventually(async () => (await failed(rig)).endsWith(' 2'));
  t.deepEqual(rig.faults, []);
});

test('who speaks plain HTTP on a port of HTTPS is told so, who speaks something else is cut off', async (t) => {
  const rig = await startStreamRig();
  const port = await listening(rig, [web]);
  t.teardown(() => rig.close());
  const answered = (said: string): Promise<string> =>
    new Promise((resolve) => {
      let all = '';
      client(t, port, Buffer.from(said, 'latin1')).on('data', (bytes) => (all += bytes.toString('latin1'))).on('close', () => resolve(all));
    });
  const http = ['GET / HTTP/1.1\r\nHost: strict.test\r\n\r\n', 'OPTIONS * HTTP/1.0\r\n\r\n', 'POST http://strict.test/ HTTP/1.1\r\nContent-Length: 1\r\n\r\nx'];
  for (const said of http) {
    t.regex(await answered(said), /^HTTP\/1\.1 400 Bad Request\r\n(?:.+\r\n)*x-weft-error: bad-request\r\n(?:.+\r\n)*connection: close\r\n\r\nThis port takes HTTPS: the request came without TLS\.\n$/);
  }
  const other = ['\x80\x2e\x01\x03\x01', 'SSH-2.0-OpenSSH_9.2\r\n', 'GET\r\n', '\0', 'U'.repeat(20_000)];
  for (const said of other) t.is(await answered(said), '', said.slice(0, 20));
  t.regex(await failed(rig), new RegExp(` ${http.length + other.length}$`));
  t.regex(await tlsExchange(port, 'strict.test', 'GET / HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 503 /);
  t.deepEqual(rig.faults, []);
});
