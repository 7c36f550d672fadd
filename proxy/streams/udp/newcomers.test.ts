import type { RemoteInfo } from 'node:dgram';
import test from 'ava';
import fc from 'fast-check';
import { Turns } from '../../time/index.ts';
import { flowsPerTurn, maxWaiting, Newcomers } from './newcomers.ts';

const from: RemoteInfo = { address: '10.0.0.1', port: 5000, family: 'IPv4', size: 1 };

class World {
  now = 0;
  readonly opened: (readonly [key: string, datagrams: readonly string[]])[] = [];
  readonly newcomers: Newcomers;
  #due: (() => void)[] = [];

  constructor(perSecond = 5000) {
    const turns = new Turns(() => this.now, (callback) => this.#due.push(callback));
    this.newcomers = new Newcomers({ turns, now: () => this.now, perSecond, open: (key, { datagrams }) => this.opened.push([key, datagrams.map(String)]) });
  }

  get isQuiet(): boolean {
    return this.#due.length === 0;
  }

  add(key: string, text = 'x'): boolean {
    return this.newcomers.add(key, Buffer.from(text), from);
  }

  /** Of the event loop. */
  turn(): void {
    for (const callback of this.#due.splice(0)) callback();
  }
}

test('who comes alone is let in at once', (t) => {
  const world = new World();
  for (let count = 0; count < 50; count++) {
    t.true(world.add(`k${count}`));
    t.is(world.opened.length, count + 1);
    world.turn();
  }
});

test('of many a few are let in between two looks at other sockets; all of them, in order, with what they have sent meanwhile', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 12, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.constant('turn' as const) }), { maxLength: 600, size: 'max' }), (steps) => {
      const world = new World();
      const sent = new Map<string, string[]>();
      let before = 0;
      let isBounded = true;
      const turn = (): void => {
        // What came at once before the turn, and what the turn let in.
        world.turn();
        isBounded &&= world.opened.length - before <= 2 * flowsPerTurn;
        before = world.opened.length;
      };
      for (const [index, one] of steps.entries()) {
        if (one === 'turn') turn();
        else {
          const key = `k${one}`;
          if (world.opened.some(([opened]) => opened === key)) continue;
          const datagrams = sent.get(key) ?? [];
          if (world.add(key, String(index))) sent.set(key, [...datagrams, String(index)]);
          else if (datagrams.length < 16) return false;
        }
      }
      for (let rest = 0; !world.isQuiet; rest++) {
        turn();
        if (rest > 1000) return false;
      }
      return isBounded && world.newcomers.size === 0 && JSON.stringify(world.opened) === JSON.stringify([...sent]);
    }),
  );
  t.pass();
});

test('who waits has bounds in number, in bytes, and in datagrams of one; so many are let in a second', (t) => {
  const world = new World();
  let taken = 0;
  while (world.add(`k${taken}`)) taken++;
  t.is(taken, flowsPerTurn + maxWaiting);
  t.is(world.newcomers.clear(), maxWaiting);
  world.turn();
  for (let count = 0; count < flowsPerTurn; count++) world.add(`more${count}`);
  for (let count = 0; count < 16; count++) t.true(world.add('one'));
  t.false(world.add('one'));
  t.false(world.newcomers.add('large', Buffer.alloc(1_048_577), from));

  const slow = new World(10);
  const opened = (): number => {
    const before = slow.opened.length;
    for (let count = 0; count < 50; count++) {
      slow.add(`${slow.now}-${count}`);
      slow.turn();
    }
    return slow.opened.length - before;
  };
  t.is(opened(), 10);
  slow.now = 500;
  t.is(opened(), 5);
  slow.now = 60_000;
  t.is(opened(), 10);
});
