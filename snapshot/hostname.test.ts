import test from 'ava';
import { compareHostnames, hostnameMatches, intersectHostnames, mostSpecific } from './hostname.ts';

test('a wildcard is a suffix match of one label or more', (t) => {
  t.true(hostnameMatches('*.example.com', 'test.example.com'));
  t.true(hostnameMatches('*.example.com', 'foo.test.example.com'));
  t.false(hostnameMatches('*.example.com', 'example.com'));
  t.false(hostnameMatches('*.example.com', '.example.com'));
  t.false(hostnameMatches('*.example.com', 'testexample.com'));
  t.true(hostnameMatches('', 'anything.org'));
  t.false(hostnameMatches('example.com', 'test.example.com'));
});

const intersections: readonly [listener: string, route: readonly string[], result: readonly string[] | undefined][] = [
  ['', [], []],
  ['', ['a.com'], ['a.com']],
  ['a.com', [], ['a.com']],
  ['*.a.com', [], ['*.a.com']],
  ['test.example.com', ['*.example.com'], ['test.example.com']],
  ['*.example.com', ['test.example.com', 'foo.test.example.com'], ['test.example.com', 'foo.test.example.com']],
  ['*.example.com', ['*.example.com'], ['*.example.com']],
  ['*.example.com', ['*.test.example.com'], ['*.test.example.com']],
  ['*.test.example.com', ['*.example.com'], ['*.test.example.com']],
  ['*.example.com', ['example.com'], undefined],
  ['*.example.com', ['test.example.net'], undefined],
  ['*.example.com', ['test.example.com', 'test.example.net'], ['test.example.com']],
  ['a.com', ['b.com'], undefined],
  ['*.a.com', ['*.b.com'], undefined],
  ['Test.Example.com', ['*.EXAMPLE.com'], ['test.example.com']],
];

for (const [listener, route, result] of intersections) {
  test(`listener "${listener}" and route [${route.join(', ')}] meet in ${result === undefined ? 'nothing' : `[${result.join(', ')}]`}`, (t) => {
    const hostnames = intersectHostnames(listener, route);
    t.deepEqual(
      hostnames?.map(({ match }) => match),
      result === undefined ? undefined : [...result],
    );
  });
}

test('an intersection remembers what the route had, or the listener where the route has none', (t) => {
  t.deepEqual(intersectHostnames('a.example.com', ['*.com']), [{ match: 'a.example.com', written: '*.com' }]);
  t.deepEqual(intersectHostnames('*.com', []), [{ match: '*.com', written: '*.com' }]);
});

test('the most specific hostname: any without wildcard, then the longest wildcard, then the empty one', (t) => {
  t.deepEqual(['', '*.com', 'a.io', '*.long.example.com', 'a.example.com'].sort(compareHostnames), ['a.example.com', 'a.io', '*.long.example.com', '*.com', '']);
  const sections = [{ hostname: '' }, { hostname: '*.example.com' }, { hostname: '*.com' }];
  t.is(mostSpecific(sections, 'a.example.com')?.hostname, '*.example.com');
  t.is(mostSpecific(sections, 'example.com')?.hostname, '*.com');
  t.is(mostSpecific(sections, 'example.org')?.hostname, '');
  t.is(mostSpecific(sections.slice(1), 'example.org'), undefined);
});
