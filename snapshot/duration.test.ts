import test from 'ava';
import { formatDuration, parseDuration } from './duration.ts';

test('components add up and come out in canonical form (GEP-2257)', (t) => {
  t.is(parseDuration('1h2h20m10m'), 12_600_000);
  t.is(formatDuration(12_600_000), '3h30m');
  t.is(parseDuration('1500ms'), 1500);
  t.is(formatDuration(1500), '1s500ms');
});

test('0s is a valid zero; 0, the empty text, fractions and signs are not durations', (t) => {
  t.is(parseDuration('0s'), 0);
  t.is(formatDuration(0), '0s');
  for (const text of ['0', '', '1.5s', '-1s', '100000s', '1s1s1s1s1s', '1d']) t.is(parseDuration(text), undefined, text);
});
