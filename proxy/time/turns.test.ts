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
