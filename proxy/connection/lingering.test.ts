import test from 'ava';
import { Lingering } from './lingering.ts';

const limits = { lingerBytes: 100 };

test('what comes behind a last response is dropped up to the limit', (t) => {
  const lingering = new Lingering(limits, 0, 0);
  t.deepEqual([lingering.drop(Buffer.alloc(99), 0), lingering.hasEnough], ['some', false]);
  t.deepEqual([lingering.drop(Buffer.alloc(1), 0), lingering.hasEnough], ['enough', true]);
});

test('an upload that was answered before its end has its time besides', (t) => {
  const lingering = new Lingering(limits, 0, 50);
  t.deepEqual([lingering.drop(Buffer.alloc(1000), 49), lingering.hasEnough], ['some', false]);
  t.deepEqual([lingering.drop(Buffer.alloc(1), 50), lingering.hasEnough], ['enough', true]);
});
