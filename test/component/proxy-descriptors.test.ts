import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'ava';
import { answering, fetchRaw, getRequest, ok, RawClient, rawServer, statusOf } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

const program = join(import.meta.dirname, 'descriptors-process.ts');
const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip;

onLinux('without a descriptor left: told, no fault of the endpoint, and over as soon as there is one', async (t) => {
  const server = await rawServer(answering(ok('here')));
  const [echo, peer] = [createSocket('udp4'), createSocket('udp4')];
  echo.on('message', (bytes, from) => echo.send(bytes, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, '127.0.0.1', resolve));
  const child = spawn('bash', ['-c', `ulimit -n 80; exec '${process.execPath}' '${program}' ${server.port} ${echo.address().port}`], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  t.teardown(async () => {
    child.kill('SIGKILL');
    echo.close();
    peer.close();
    await server.close();
  });
  const [[port, udpPort]] = (await once(child, 'message')) as [[number, number]];
  const metric = async (name: string): Promise<number> => {
    child.send('page');
    const [page] = (await once(child, 'message')) as [string];
    return Number(page.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  };
  const close = getRequest('/', 'Connection: close\r\n');
  t.is(statusOf(await fetchRaw(port, close)), 200);

  const idle = Array.from({ length: 100 }, () => new RawClient(port));
  await eventually(() => idle.some(({ ended }) => ended));
  await eventually(async () => (await metric('weft_open_files')) === 80);
  t.is(await metric('weft_open_files_limit'), 80);
  // A flow needs a socket of its own.
  let echoed = 0;
  peer.on('message', () => echoed++);
  const send = (): void => peer.send('x', udpPort, '127.0.0.1');
  send();
  await eventually(async () => (await metric('weft_udp_datagrams_dropped_total')) === 1);
  for (const client of idle) client.close();
  await eventually(async () => (await metric('weft_client_connections_active')) === 0);
  t.is(statusOf(await fetchRaw(port, close)), 200);
  // Also by whom there was none for.
  send();
  await eventually(() => echoed === 1);

  // Each would need two.
  const room = 80 - (await metric('weft_open_files'));
  const clients = Array.from({ length: room - 5 }, () => new RawClient(port));
  await eventually(async () => (await metric('weft_client_connections_active')) === clients.length);
  const answers = await Promise.all(clients.map((client) => client.send(getRequest()).until((text) => text.includes('\r\n\r\n'))));
  t.true(answers.some((text) => statusOf(text) === 200));
  t.true(answers.some((text) => statusOf(text) === 503 && text.includes('x-weft-error: connect-failed')));
  t.is(await metric('weft_upstream_endpoints_aside'), 0);
  for (const client of clients) client.close();
  await eventually(async () => (await metric('weft_client_connections_active')) === 0);
  t.is(statusOf(await fetchRaw(port, close)), 200);
});
