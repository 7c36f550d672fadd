import test from 'ava';
import { Departures, type Departing } from './departures.ts';

/** A clock and an event loop that the test moves. */
class Loop {
  time = 0;
  readonly closed: number[] = [];
  readonly paused: number[] = [];
  readonly departures = new Departures(() => this.time, (callback) => this.callbacks.push(callback));
  callbacks: (() => void)[] = [];

  turn(): void {
    const callbacks = this.callbacks;
    this.callbacks = [];
    for (const callback of callbacks) callback();
  }

  /** Connections numbered from `first` on, closing each of which takes so long. */
  leave(count: number, takesMs: number, first = 0): void {
    for (let number = first; number < first + count; number++) this.departures.add(this.#connection(number, takesMs));
  }

  #connection(number: number, takesMs: number): Departing {
    return {
      destroyed: false,
      pause: () => this.paused.push(number),
      destroy: () => {
        this.time += takesMs;
        this.closed.push(number);
      },
    };
  }
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

test('connections are closed at once for a moment of each turn of the loop; the rest is not read, and follows in order', (t) => {
  const loop = new Loop();
  loop.leave(7, 0.1);
  t.deepEqual(loop.closed, upTo(3));
  t.deepEqual(loop.paused, [3, 4, 5, 6]);
  loop.turn();
  t.deepEqual(loop.closed, upTo(6));
  // Nobody overtakes.
  loop.leave(4, 0.1, 7);
  t.deepEqual(loop.closed, upTo(6));
  loop.turn();
  t.deepEqual(loop.closed, upTo(9));
  loop.turn();
  t.deepEqual(loop.closed, upTo(11));
  loop.turn();
  t.is(loop.callbacks.length, 0);
});

test('one that takes long has the turn for itself', (t) => {
  const loop = new Loop();
  loop.leave(3, 5);
  t.is(loop.closed.length, 1);
  loop.turn();
  t.is(loop.closed.length, 2);
  loop.turn();
  t.is(loop.closed.length, 3);
  loop.turn();
  loop.leave(1, 5, 3);
  t.is(loop.closed.length, 4, 'a turn later there is time again');
});

test('who is closed already costs nothing', (t) => {
  const loop = new Loop();
  loop.departures.add({ destroyed: true, pause: () => t.fail(), destroy: () => t.fail() });
  t.is(loop.callbacks.length, 0);
  t.pass();
});
