import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import test from 'ava';
import { answering, behind, getRequest, ok, RawClient, statusOf } from './proxy-rig.ts';

/** Uploads that are answered before their end. */

const tooLarge = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntoo';
const size = 32 * 1024 * 1024;
const head = `POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: ${size}\r\n\r\n`;

/** Sends so many bytes, and says whether all of them were taken. */
function upload(client: RawClient, bytes: number): Promise<'taken' | 'broken'> {
  return new Promise((resolve) => {
    client.socket.write(Buffer.alloc(bytes, 'x'), (error) => resolve(error ? 'broken' : 'taken'));
  });
}

test('an endpoint that answers early and closes resets what is still sent to it: its answer gets through', async (t) => {
  let answered = 0;
  const { rig } = await behind(t, (socket, text) => {
    if (!text.startsWith('POST') ) return;
    answered++;
    socket.pause();
    // With bytes that it has not read, a socket that is closed resets its connection.
    socket.write(tooLarge, () => setImmediate(() => socket.destroy()));
  });
  for (let round = 0; round < 40; round++) {
    const client = new RawClient(rig.listener.port);
    client.send(head);
    const sent = upload(client, 4 * 1024 * 1024);
    t.is(statusOf(await client.until((text) => text.endsWith('too'))), 413);
    client.close();
    await sent;
  }
  t.is(answered, 40);
});

test('an endpoint that breaks a request off without an answer is told as ever', async (t) => {
  const { rig } = await behind(t, (socket, text) => {
    if (!text.startsWith('POST')) return;
    socket.pause();
    setImmediate(() => socket.destroy());
  });
  for (let round = 0; round < 10; round++) {
    const client = new RawClient(rig.listener.port);
    client.send(head);
    const sent = upload(client, 4 * 1024 * 1024);
    t.regex(await client.until((text) => text.includes('x-weft-error')), /^HTTP\/1\.1 502 [^]*x-weft-error: upstream-reset/);
    client.close();
    await sent;
  }
});

test('an endpoint whose answer breaks off with it has the client cut', async (t) => {
  const { rig } = await behind(t, (socket, text) => {
    if (!text.startsWith('POST')) return;
    socket.pause();
    socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 10\r\n\r\ntoo', () => setImmediate(() => socket.destroy()));
  });
  for (let round = 0; round < 10; round++) {
    const client = new RawClient(rig.listener.port);
    client.send(head);
    const sent = upload(client, 4 * 1024 * 1024);
    const text = await client.all();
    t.true(client.error !== undefined || text.startsWith('HTTP/1.1 502'), text);
    client.close();
    await sent;
  }
});

test('a client that looks for the response when it has sent all, and not before, gets it', async (t) => {
  const { rig } = await behind(t, (socket, text) => {
    if (text.startsWith('POST')) socket.write(tooLarge);
  });
  const client = new RawClient(rig.listener.port);
  client.send(head);
  t.is(await upload(client, size), 'taken');
  t.regex(await client.until((text) => text.endsWith('too')), /^HTTP\/1\.1 413 /);
  t.is(client.error, undefined);
  client.close();
});

test('one that goes on for longer is let go', async (t) => {
  const { rig } = await behind(
    t,
    (socket, text) => {
      if (text.startsWith('POST')) socket.write(tooLarge);
    },
    { limits: { lingerMs: 30, lingerUploadMs: 200 } },
  );
  const client = new RawClient(rig.listener.port);
  client.send('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  const sending = setInterval(() => client.send(`400\r\n${'x'.repeat(1024)}\r\n`), 2);
  await client.until((text) => text.endsWith('too'));
  await new Promise((resolve) => client.socket.once('close', resolve));
  clearInterval(sending);
  t.not(client.error, undefined);
});

test.serial('behind a last response so much is read, and then nothing, though the connection had waited for its turn', async (t) => {
  const lingerBytes = 131_072;
  const { rig } = await behind(t, () => {}, { limits: { lingerMs: 300, lingerBytes } });
  const accepted: Socket[] = [];
  const note = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    if (socket.localPort === rig.listener.port) accepted.push(socket);
  };
  subscribe('net.server.socket', note);
  t.teardown(() => unsubscribe('net.server.socket', note));
  for (let round = 0; round < 10; round++) {
    const client = new RawClient(rig.listener.port);
    // Its first read is refused.
    client.send(`GET /\0${'x'.repeat(4 * 1024 * 1024)}`);
    await new Promise((resolve) => client.socket.once('close', resolve));
  }
  // With one that the rig has opened.
  t.is(accepted.length, 11);
  // A read has 64 KiB at most: the first, and the one that was more than enough.
  for (const { bytesRead } of accepted) t.true(bytesRead < 65_536 + lingerBytes + 65_536, `${bytesRead}`);
});

test('an answer of the proxy itself keeps the connection where all of the upload is here, however it is framed', async (t) => {
  const { client } = await behind(t, answering(ok('next')));
  const bodies = ['Content-Length: 3\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: x\r\n\r\n'];
  for (const [index, body] of bodies.entries()) {
    client.send(`OPTIONS * HTTP/1.1\r\nHost: x\r\n${body}${getRequest()}`);
    await client.until((text) => text.split('next').length === index + 2);
  }
  t.false(/^connection: close/im.test(client.text));
});

test('and ends it where more is to come, or what came is broken', async (t) => {
  const { rig } = await behind(t, answering(ok('next')));
  for (const body of ['Content-Length: 4\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', 'Transfer-Encoding: chunked\r\n\r\n0\r\nT: x\r\n', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n']) {
    const client = new RawClient(rig.listener.port);
    t.teardown(() => client.close());
    client.send(`OPTIONS * HTTP/1.1\r\nHost: x\r\n${body}`);
    t.regex(await client.until((text) => text.endsWith('\r\n\r\n')), /\r\nconnection: close\r\n/, body);
  }
});
