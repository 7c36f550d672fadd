import test from 'ava';
import { Turns, type Waiter } from './turns.ts';

/** A clock and an event loop that the test moves. */
class Loop {
  time = 0;
  readonly turns = new Turns(() => this.time, (callback) => this.callbacks.push(callback));
  callbacks: (() => void)[] = [];

  turn(): void {
    const callbacks = this.callbacks;
    this.callbacks = [];
    for (const callback of callbacks) callback();
  }
}

class Busy implements Waiter {
  awaitsTurn = false;
  left: number;
  readonly #take: (busy: Busy) => void;

  constructor(left: number, take: (busy: Busy) => void) {
    this.left = left;
    this.#take = take;
  }

  takeTurn(): void {
    this.left--;
    this.#take(this);
  }
}

test('two have their turn between two looks at the sockets, first come first served; who has more to do waits behind the others', (t) => {
  const loop = new Loop();
  const order: string[] = [];
  const take = (name: string) => (busy: Busy) => {
    order.push(name);
    if (busy.left > 0) loop.turns.add(busy);
  };
  const all = [new Busy(2, take('a')), new Busy(1, take('b')), new Busy(1, take('c'))];
  for (const one of [...all, ...all]) loop.turns.add(one);
  t.is(loop.callbacks.length, 1);
  loop.turn();
  t.deepEqual(order, ['a', 'b']);
  loop.turn();
  t.deepEqual(order, ['a', 'b', 'c', 'a']);
  t.is(loop.callbacks.length, 0);
  t.false(all.some(({ awaitsTurn }) => awaitsTurn));
});

test('one that takes long has the turn for itself', (t) => {
  const loop = new Loop();
  const order: number[] = [];
  for (let index = 0; index < 3; index++) {
    loop.turns.add(new Busy(1, () => {
      order.push(index);
      loop.time += 5;
    }));
  }
  loop.turn();
  t.deepEqual(order, [0]);
  loop.turn();
  t.deepEqual(order, [0, 1]);
});

test('thousands keep their order', (t) => {
  const loop = new Loop();
  const order: number[] = [];
  for (let index = 0; index < 5000; index++) loop.turns.add(new Busy(1, () => order.push(index)));
  while (loop.callbacks.length > 0) loop.turn();
  t.deepEqual(order, Array.from({ length: 5000 }, (_, index) => index));
});

test('what is large is looked at for a moment in each turn of the loop, then it waits', (t) => {
  const loop = new Loop();
  const moments: boolean[] = [];
  for (let count = 0; count < 4; count++) {
    moments.push(loop.turns.mayGoOn());
    loop.time += 0.1;
  }
  t.deepEqual(moments, [true, true, true, false]);
  t.is(loop.callbacks.length, 1);
  loop.turn();
  t.true(loop.turns.mayGoOn(), 'the next turn has a moment of its own');
});

test('while connections are accepted those that wait are passed over, but not for ever', (t) => {
  const loop = new Loop();
  const order: number[] = [];
  for (let index = 0; index < 4; index++) loop.turns.add(new Busy(1, () => order.push(index)));
  const large: boolean[] = [];
  const served: number[] = [];
  for (let turn = 1; turn <= 16; turn++) {
    loop.turns.accepted();
    large.push(loop.turns.mayGoOn());
    loop.turn();
    served.push(order.length);
  }
  t.deepEqual(served, [0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 4]);
  t.deepEqual(new Set(large), new Set([false]));
  t.is(loop.callbacks.length, 0);
  t.true(loop.turns.mayGoOn());
});

test('once no more are accepted, those that wait have their turn at once', (t) => {
  const loop = new Loop();
  let turns = 0;
  loop.turns.add(new Busy(1, () => turns++));
  loop.turns.accepted();
  loop.turn();
  t.is(turns, 0);
  t.false(loop.turns.mayGoOn(), 'there may be more of them');
  loop.turn();
  t.is(turns, 1);
  t.true(loop.turns.mayGoOn());
});

test('what goes on behind its turn has the turn for itself', (t) => {
  const loop = new Loop();
  let turns = 0;
  class Begins extends Busy {
    readonly goesOn = true;
  }
  for (let index = 0; index < 3; index++) loop.turns.add(new Begins(1, () => turns++));
  for (const served of [1, 2, 3]) {
    loop.turn();
    t.is(turns, served);
  }
  t.is(loop.callbacks.length, 0);
});
