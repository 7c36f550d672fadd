import test from 'ava';
import { runSteps } from '../steps.ts';
import { Publisher } from './index.ts';

const node = { id: 'sidecar/shop/p', role: 'sidecar', namespace: 'shop', name: 'p' };

interface Rig {
  readonly publisher: Publisher;
  readonly sent: { readonly nonce: string; readonly resources: readonly object[] }[];
  /** How often a resource was looked up. */
  finds(): number;
}

/** Every name is that of a resource. */
function rigged(): Rig {
  let finds = 0;
  const sent: Rig['sent'] = [];
  const publisher = new Publisher({
    send: (message) => sent.push(JSON.parse(message) as Rig['sent'][number]),
    open: () => ({ find: (_type, name) => (finds++, { version: '1', encoded: JSON.stringify({ name, version: '1', resource: {} }) }), own: () => [] }),
  });
  return { publisher, sent, finds: () => finds };
}

function request(fields: object): string {
  return JSON.stringify({ type: 'Backend', subscribe: [], unsubscribe: [], ...fields });
}

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `b${index}`);

test('it gives way every few names, whatever a message asks for or acknowledges', (t) => {
  const { publisher, sent, finds } = rigged();
  const count = 2000;
  const stepsOf = (fields: object): number => {
    const work = publisher.receive(request(fields));
    for (let steps = 0; ; steps++) {
      const before = finds();
      const { done, value } = work.next();
      t.true(finds() - before <= 50);
      if (done !== true) continue;
      t.is(value, undefined);
      return steps;
    }
  };
  t.true(stepsOf({ node, subscribe: names(count) }) >= (3 * count) / 50);
  t.false(publisher.isCurrent('Backend'));
  t.is(sent[0]?.resources.length, count);
  t.true(stepsOf({ nonce: sent[0]?.nonce }) >= (2 * count) / 50);
  t.true(publisher.isCurrent('Backend'));
  t.is(sent.length, 1);
  t.true(stepsOf({ unsubscribe: names(count) }) >= count / 50);
});

test('a response counts as answered only when all of it is', (t) => {
  const { publisher, sent } = rigged();
  runSteps(publisher.receive(request({ node, subscribe: names(200) })));
  const work = publisher.receive(request({ nonce: sent[0]?.nonce }));
  work.next();
  t.false(publisher.progress('Backend').settled);
  runSteps(work);
  t.true(publisher.progress('Backend').settled);
});

test('a proxy that comes back is sent nothing that it holds, whatever the names are', (t) => {
  const { publisher, sent } = rigged();
  runSteps(publisher.receive(request({ node, subscribe: ['a', 'b', '__proto__', 'toString'], initialVersions: JSON.parse('{"a":"1","b":"0","__proto__":"1"}') as object })));
  t.deepEqual([...publisher.progress('Backend').acked.keys()], ['a', 'b', '__proto__']);
  t.deepEqual(sent[0]?.resources.map((each) => (each as { readonly name: string }).name), ['b', 'toString']);
});
