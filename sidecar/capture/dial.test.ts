import { createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import type { PickedEndpoint } from '#proxy';
import { openEndpoint } from './dial.ts';

async function port(answer: 'there' | 'gone'): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: number } = server.address() as AddressInfo;
  if (answer === 'gone') await new Promise<void>((resolve) => server.close(() => resolve()));
  return { port: number, close: () => void server.close() };
}

test('an endpoint that refuses is told why, for a want of our own is no fault of its; the next one is dialled', async (t) => {
  const [gone, there] = [await port('gone'), await port('there')];
  const told: unknown[] = [];
  const picked = (number: number): PickedEndpoint => ({
    address: '127.0.0.1', port: number,
    connected: () => told.push('connected'),
    refused: (reason) => told.push(reason),
    release: () => told.push('released'),
  });
  const { socket, ended } = await openEndpoint((tried) => picked(tried.length === 0 ? gone.port : there.port), { host: '127.0.0.1', port: 1 }, new AbortController().signal);
  t.deepEqual(told, ['ECONNREFUSED', 'connected']);
  ended({ bytesIn: 0, bytesOut: 0, broken: undefined });
  t.deepEqual(told.slice(2), ['released']);
  socket.destroy();
  there.close();
});
