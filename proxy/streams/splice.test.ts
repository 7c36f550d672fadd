import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import test from 'ava';
import { TimerWheel, Turns } from '../time/index.ts';
import type { SpliceEnd } from '../types.ts';
import { Splice } from './splice.ts';

/** A connection whose peer takes bytes when it is told to. */
class Peer extends Duplex {
  taken = '';
  hasEnd = false;
  wasReset = false;
  #takes = false;
  #waiting: (() => void)[] = [];

  constructor() {
    super({ allowHalfOpen: true, highWaterMark: 4 });
  }

  takes(): void {
    this.#takes = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.taken += String(bytes);
      done();
    };
    if (this.#takes) take();
    else this.#waiting.push(take);
  }

  override _final(done: () => void): void {
    this.hasEnd = true;
    done();
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.destroy();
  }
}

class World {
  readonly client = new Peer();
  readonly upstream = new Peer();
  readonly ends: SpliceEnd[] = [];
  readonly wheel = new TimerWheel({ now: 0 });
  #now = 0;

  constructor(lifetime: { readonly idleMs: number; readonly endsAt: number }) {
    const parts = { wheel: this.wheel, turns: new Turns(() => this.#now, setImmediate), now: () => this.#now, lifetime, endingMs: 500, ended: (end: SpliceEnd) => void this.ends.push(end) };
    new Splice(this.client as unknown as Socket, this.upstream as unknown as Socket, parts);
  }

  async at(now: number): Promise<void> {
    for (; this.#now < now; this.#now += 10) this.wheel.advance(this.#now);
    await this.settled();
  }

  async settled(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

test('at its age what was read still leaves, then both sides end; what comes later is dropped', async (t) => {
  const world = new World({ idleMs: 0, endsAt: 1000 });
  const { client, upstream } = world;
  upstream.takes();
  for (const bytes of ['first ', 'second ', 'third']) upstream.push(bytes);
  client.push('question');
  await world.at(900);
  t.is(upstream.taken, 'question');
  t.deepEqual([client.hasEnd, upstream.hasEnd, client.taken], [false, false, '']);
  await world.at(1100);
  t.deepEqual([client.hasEnd, upstream.hasEnd], [false, true]);
  for (const side of [client, upstream]) side.push('late');
  client.takes();
  await world.settled();
  t.deepEqual([client.taken, client.hasEnd, upstream.taken], ['first second third', true, 'question']);
  t.deepEqual(world.ends, []);
  for (const side of [client, upstream]) side.push(null);
  await world.settled();
  t.deepEqual(world.ends, [{ bytesIn: 8, bytesOut: 18, broken: 'age' }]);
});

test('a side that breaks while it ends does not take the other with it; what has not ended in time is cut', async (t) => {
  const world = new World({ idleMs: 0, endsAt: 1000 });
  const { client, upstream } = world;
  upstream.push('answer');
  await world.at(1100);
  upstream.destroy(new Error('ECONNRESET'));
  await world.settled();
  t.false(client.destroyed);
  client.takes();
  await world.settled();
  t.deepEqual([client.taken, client.hasEnd, client.destroyed], ['answer', true, false]);
  await world.at(1450);
  t.false(client.destroyed);
  await world.at(1600);
  t.true(client.destroyed);
  t.deepEqual(world.ends, [{ bytesIn: 0, bytesOut: 6, broken: 'age' }]);
});

test('the end of one side is not the other\'s before that has all: until then it can be broken off, and is seen to be', async (t) => {
  const world = new World({ idleMs: 0, endsAt: Infinity });
  const { client, upstream } = world;
  upstream.push('answer');
  upstream.push(null);
  await world.settled();
  upstream.destroy(new Error('ECONNRESET'));
  await world.settled();
  t.deepEqual([client.taken, client.hasEnd, client.destroyed, client.wasReset], ['', false, true, true]);
  t.deepEqual(world.ends, [{ bytesIn: 0, bytesOut: 6, broken: 'upstream' }]);
});

test('a connection that ends before its age has come is not touched by it, nor one that is broken', async (t) => {
  const ended = new World({ idleMs: 0, endsAt: 1000 });
  for (const side of [ended.client, ended.upstream]) {
    side.takes();
    side.push(null);
  }
  await ended.settled();
  t.is(ended.wheel.size, 0);
  await ended.at(2000);
  t.deepEqual(ended.ends, [{ bytesIn: 0, bytesOut: 0, broken: undefined }]);
  const idle = new World({ idleMs: 400, endsAt: 1000 });
  await idle.at(2000);
  t.deepEqual(idle.ends, [{ bytesIn: 0, bytesOut: 0, broken: 'idle' }]);
});
