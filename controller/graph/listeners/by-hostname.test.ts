import test from 'ava';
import fc from 'fast-check';
import { intersectHostnames } from '#snapshot';
import { listenersMeeting } from './by-hostname.ts';
import type { ListenerFacts } from './listeners.ts';

const hostname = fc.constantFrom('a.example.com', 'b.example.com', 'x.a.example.com', '*.example.com', '*.a.example.com', '*.com', '*.org', 'example.com', 'example.org');

test('of many listeners those are found whose hostnames meet, in their order', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(hostname, fc.constant('')), { minLength: 1, maxLength: 40, size: 'max' }), fc.uniqueArray(hostname, { maxLength: 3 }), (own, wanted) => {
      const listeners = own.map((each) => ({ hostname: each })) as unknown as readonly ListenerFacts[];
      const expected = listeners.filter((each) => intersectHostnames(each.hostname, wanted) !== undefined);
      t.deepEqual(listenersMeeting(listeners, wanted.map((each) => each.toUpperCase())).filter((each) => expected.includes(each)), expected);
      if (listeners.length > 16) t.deepEqual(listenersMeeting(listeners, wanted), expected);
    }),
    { numRuns: 200 },
  );
  t.pass();
});
