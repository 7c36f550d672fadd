import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import test from 'ava';
import { openRawIO } from '../sockets/raw.ts';
import { publicIO } from '../sockets/index.ts';
import { disown, guarded, own } from './listeners.ts';

class Taker {
  readonly taken: string[] = [];
  readonly faults: unknown[] = [];
  ended = 0;
  turn: (text: string) => void = () => {};

  crash(error: unknown): void {
    this.faults.push(error);
  }
}

const listeners = {
  data: guarded((taker: Taker, bytes) => {
    const text = bytes!.toString();
    taker.taken.push(text);
    taker.turn(text);
  }),
  end: guarded((taker: Taker) => taker.ended++),
  error: guarded(() => {}),
};

async function pair(): Promise<{ readonly client: Socket; readonly accepted: Socket; close(): Promise<void> }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const close = async (): Promise<void> => {
    client.destroy();
    accepted.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { client, accepted, close };
}

async function until(test: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !test(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const io of [publicIO, openRawIO()!]) {
  test(`${io.mode}: bytes come in order, whatever is paused, put back or held meanwhile, and then the end`, async (t) => {
    const { client, accepted, close } = await pair();
    const taker = new Taker();
    accepted.unshift(Buffer.from('before.'));
    own(accepted, taker, listeners, io);
    client.write('one.');
    await until(() => taker.taken.join('') === 'before.one.');
    taker.turn = (text) => void (text === 'two.' && accepted.pause());
    client.write('two.');
    await until(() => taker.taken.includes('two.'));
    const much = 'x'.repeat(300_000);
    client.write(much);
    client.end('.last');
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.is(taker.taken.join(''), 'before.one.two.');
    // No more than a stream takes while it is paused: the rest stays with the client.
    t.true(accepted.readableLength < 200_000);
    t.is(taker.ended, 0);
    accepted.resume();
    await until(() => taker.ended === 1);
    t.is(taker.taken.join(''), `before.one.two.${much}.last`);
    t.is(taker.ended, 1);
    await close();
  });

  test(`${io.mode}: a listener that throws is its owner's fault; who takes the socket over gets all that follows`, async (t) => {
    const { client, accepted, close } = await pair();
    const taker = new Taker();
    const later: string[] = [];
    own(accepted, taker, listeners, io);
    taker.turn = () => {
      throw new Error('of a listener');
    };
    client.write('one');
    await until(() => taker.faults.length === 1);
    taker.turn = () => {
      accepted.on('data', (bytes: Buffer) => later.push(bytes.toString()));
      disown(accepted, listeners, io);
    };
    client.write('two');
    await until(() => taker.taken.length === 2);
    client.write('three');
    await until(() => later.length === 1);
    t.deepEqual([taker.taken, later, taker.faults.length], [['one', 'two'], ['three'], 1]);
    await close();
  });
}
