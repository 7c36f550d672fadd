import test from 'ava';
import { defaultHttp2Limits } from '../limits.ts';
import { Budget } from './budget.ts';

const limits = { ...defaultHttp2Limits, periodMs: 1000, maxIdleFrames: 5, maxSettingsFrames: 3, maxEmptyDataFrames: 4, maxResets: 2 };

/** How often it may be done; at most a hundred times. */
function times(act: () => boolean): number {
  for (let count = 0; count < 100; count++) if (!act()) return count;
  return 100;
}

function budget(): Budget {
  return new Budget(limits, 0);
}

test('so many frames without a purpose, and ten more for each that carries something or that we send', (t) => {
  t.is(times(() => budget().idle(0)), 100);
  const told = (prepare: (each: Budget) => void, sent = 0): number => {
    const each = budget();
    prepare(each);
    return times(() => each.idle(sent));
  };
  t.is(told(() => {}), 5);
  t.is(told((each) => each.useful()), 15);
  t.is(told((each) => each.opened()), 15);
  t.is(told(() => {}, 2), 25);
  t.is(told((each) => each.tick(1000, 2), 2), 5, 'what was sent before the period does not count');
  t.is(told((each) => each.tick(1000, 2), 3), 15);
});

test('so many settings and empty frames', (t) => {
  const each = budget();
  t.is(times(() => each.settings()), 3);
  t.is(times(() => each.emptyData()), 4);
});

test('so many resets, and no more than half of the streams that were opened', (t) => {
  const few = budget();
  t.false(few.hadResets);
  t.is(times(() => few.reset()), 2);
  t.true(few.hadResets);
  const many = budget();
  for (let count = 0; count < 20; count++) many.opened();
  t.is(times(() => many.reset()), 10);
});

test('a period has its own counts, and begins when the one before is over', (t) => {
  const each = budget();
  const all = (): readonly number[] => [times(() => each.idle(0)), times(() => each.settings()), times(() => each.emptyData()), times(() => each.reset())];
  t.deepEqual(all(), [5, 3, 4, 2]);
  each.tick(999, 0);
  t.deepEqual(all(), [0, 0, 0, 0]);
  each.tick(1500, 0);
  t.false(each.hadResets);
  t.deepEqual(all(), [5, 3, 4, 2]);
  each.tick(2499, 0);
  t.deepEqual(all(), [0, 0, 0, 0]);
  each.opened();
  each.tick(2500, 0);
  t.deepEqual(all(), [5, 3, 4, 2], 'nor do streams of the last one count');
});
