import type { ServerResponse } from 'node:http';
import test from 'ava';
import { fakeServer, json, watching, type FakeServer, type Script, type Seen } from '../../kube/fake.ts';
import { reflect, type ReflectLimits } from './reflect.ts';

interface Item {
  readonly name: string;
  readonly version: string;
}

interface Run {
  readonly server: FakeServer;
  /** What the mirror was told, in words. */
  readonly told: string[];
  readonly items: ReadonlyMap<string, Item>;
  readonly failures: string[];
  until(condition: () => boolean): Promise<void>;
}

/** Long times where a test is not about them: a busy machine must not bring them on. */
const usual: Partial<ReflectLimits> = { page: 2, listTimeoutMs: 30_000, idleMs: 30_000, absentMs: 20, backoff: { base: 5, max: 20 } };

async function run(t: { teardown(undo: () => Promise<void>): void }, script: Script, options: { readonly locate?: () => Promise<string | undefined>; readonly limits?: Partial<ReflectLimits> } = {}): Promise<Run> {
  const server = await fakeServer(script);
  const stop = new AbortController();
  const told: string[] = [];
  const failures: string[] = [];
  const items = new Map<string, Item>();
  const done = reflect<Item>({
    api: server.api,
    locate: options.locate ?? (async () => '/api/v1/things'),
    random: () => 0.5,
    now: () => performance.now(),
    signal: stop.signal,
    limits: { ...usual, ...options.limits },
    mirror: {
      read: (raw) => {
        const { name, resourceVersion } = raw['metadata'] as { name: string; resourceVersion: string };
        return { name, version: resourceVersion };
      },
      replace: (all) => {
        items.clear();
        for (const item of all) items.set(item.name, item);
        told.push(`all: ${[...items.keys()].join(' ')}`);
      },
      set: (item) => {
        items.set(item.name, item);
        told.push(`set: ${item.name}@${item.version}`);
      },
      remove: (raw) => {
        const { name } = raw['metadata'] as { name: string };
        items.delete(name);
        told.push(`remove: ${name}`);
      },
      absent: () => told.push('absent'),
      following: () => {},
      failed: (reason) => failures.push(reason),
    },
  });
  t.teardown(async () => {
    stop.abort();
    await done;
    await server.close();
  });
  const until = async (condition: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 4000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    if (!condition()) throw new Error(`not reached; told ${JSON.stringify(told)}, failures ${JSON.stringify(failures)}`);
  };
  return { server, told, items, failures, until };
}

function thing(name: string, version: string): object {
  return { metadata: { name, resourceVersion: version } };
}

function list(version: string, names: readonly string[], next?: string): object {
  return { items: names.map((name) => thing(name, version)), metadata: { resourceVersion: version, ...(next === undefined ? {} : { continue: next }) } };
}

function isWatch({ query }: Seen): boolean {
  return query.get('watch') === 'true';
}

const watches = ({ server }: Run): readonly Seen[] => server.seen.filter(isWatch);
const lists = ({ server }: Run): readonly Seen[] => server.seen.filter((seen) => !isWatch(seen));

/** Answers the n-th list and the n-th watch with the n-th function; the last one again after that. */
function scripted(listAnswers: readonly Script[], watchAnswers: readonly Script[]): Script {
  let listed = 0;
  let watched = 0;
  return (seen, response) => {
    const answers = isWatch(seen) ? watchAnswers : listAnswers;
    const index = isWatch(seen) ? watched++ : listed++;
    answers[Math.min(index, answers.length - 1)]?.(seen, response);
  };
}

const open: Script = (_seen, response) => void watching(response);
const fails = (status: number, headers: Record<string, string> = {}): Script => (_seen, response) => json(response, { message: 'no' }, status, headers);

test('a list comes page by page and is told once, as a whole; the watch goes on from its version', async (t) => {
  // By the token, for a page that times out on a busy machine is asked for again.
  const pages: Script = ({ query }, response) => json(response, query.get('continue') === 'more' ? list('7', ['c']) : list('7', ['a', 'b'], 'more'));
  const each = await run(t, scripted([pages], [open]));
  await each.until(() => watches(each).length === 1);
  t.deepEqual(each.told, ['all: a b c']);
  t.deepEqual(lists(each).slice(-2).map(({ query }) => query.get('continue')), [null, 'more']);
  t.is(watches(each)[0]?.query.get('resourceVersion'), '7');
  t.is(watches(each)[0]?.query.get('allowWatchBookmarks'), 'true');
});

test('a list that breaks off on its second page changes nothing', async (t) => {
  const first: Script = (_seen, response) => json(response, list('1', ['a', 'b', 'c']));
  const half: Script = (_seen, response) => json(response, list('9', ['a'], 'more'));
  const whole: Script = (_seen, response) => json(response, list('9', ['a', 'c']));
  const gone: Script = (_seen, response) => watching(response, { type: 'ERROR', object: { code: 410 } }).end();
  const each = await run(t, scripted([first, half, fails(500), whole], [gone, open]));
  await each.until(() => each.told.length === 2);
  t.deepEqual(each.told, ['all: a b c', 'all: a c']);
});

test('a continue token that has expired begins the list anew', async (t) => {
  const half: Script = (_seen, response) => json(response, list('1', ['a'], 'old'));
  const each = await run(t, scripted([half, fails(410), (_seen, response) => json(response, list('2', ['b']))], [open]));
  await each.until(() => each.told.length === 1);
  t.deepEqual(each.told, ['all: b']);
  t.is(lists(each)[2]?.query.get('continue'), null);
});

test('events change single objects; a bookmark only moves the version to go on from', async (t) => {
  let socket: ServerResponse | undefined;
  const events: Script = (_seen, response) => {
    socket = watching(
      response,
      { type: 'ADDED', object: thing('b', '2') },
      { type: 'MODIFIED', object: thing('a', '3') },
      { type: 'DELETED', object: thing('b', '4') },
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '50' } } },
    );
  };
  const each = await run(t, scripted([(_seen, response) => json(response, list('1', ['a']))], [events, open]));
  await each.until(() => each.told.length === 4);
  t.deepEqual(each.told, ['all: a', 'set: b@2', 'set: a@3', 'remove: b']);
  socket?.end();
  await each.until(() => watches(each).length === 2);
  t.is(watches(each)[1]?.query.get('resourceVersion'), '50');
  t.is(lists(each).length, 1);
});

test('410 as the answer to a watch, or within it, lists again', async (t) => {
  const within: Script = (_seen, response) => watching(response, { type: 'ERROR', object: { kind: 'Status', code: 410 } }).end();
  const numbered = (version: string): Script => (_seen, response) => json(response, list(version, [`at${version}`]));
  const each = await run(t, scripted([numbered('1'), numbered('2'), numbered('3')], [fails(410), within, open]));
  await each.until(() => each.told.length === 3);
  t.deepEqual(each.told, ['all: at1', 'all: at2', 'all: at3']);
});

test('a watch that is cut goes on where it was; nothing is lost, nothing listed again', async (t) => {
  const cut: Script = (_seen, response) => {
    watching(response, { type: 'ADDED', object: thing('b', '2') }).write('{"type":"ADDED","object":{"meta');
    setTimeout(() => response.destroy(), 20);
  };
  const rest: Script = (_seen, response) => void watching(response, { type: 'ADDED', object: thing('c', '3') });
  const each = await run(t, scripted([(_seen, response) => json(response, list('1', ['a']))], [cut, rest]));
  await each.until(() => each.told.length === 3);
  t.deepEqual(each.told, ['all: a', 'set: b@2', 'set: c@3']);
  t.is(watches(each)[1]?.query.get('resourceVersion'), '2');
  t.is(lists(each).length, 1);
});

test('a list that takes too long is given up and asked for again', async (t) => {
  const each = await run(t, scripted([() => {}, (_seen, response) => json(response, list('1', ['a']))], [open]), { limits: { listTimeoutMs: 300 } });
  await each.until(() => each.told.length === 1);
  t.regex(each.failures[0] ?? '', /no complete answer within 300 ms/);
});

test('a watch that falls silent is opened again from the same version, as often as it does, and that is no failure', async (t) => {
  const each = await run(t, scripted([(_seen, response) => json(response, list('5', ['a']))], [open]), { limits: { idleMs: 250 } });
  await each.until(() => watches(each).length >= 5);
  t.true(watches(each).every(({ query }) => query.get('resourceVersion') === '5'));
  t.is(lists(each).length, 1);
  t.deepEqual(each.failures, []);
  t.deepEqual(each.told, ['all: a']);
});

test('429 is asked again after what Retry-After says', async (t) => {
  const times: number[] = [];
  const script = scripted([fails(429, { 'retry-after': '0.2' }), (_seen, response) => json(response, list('1', ['a']))], [open]);
  const each = await run(t, (seen, response) => {
    times.push(performance.now());
    script(seen, response);
  });
  await each.until(() => each.told.length === 1);
  t.true((times[1] ?? 0) - (times[0] ?? 0) >= 195);
});

test('5xx to a watch is tried again, and after three of them the collection is listed again', async (t) => {
  const each = await run(t, scripted([(_seen, response) => json(response, list('1', ['a']))], [fails(500), fails(503), fails(500), open]));
  await each.until(() => each.told.length === 2);
  t.is(watches(each).length >= 3, true);
  t.deepEqual(each.told, ['all: a', 'all: a']);
});

test('a kind that is not there is looked for again; what is no list is a failure', async (t) => {
  let found = false;
  const each = await run(t, scripted([(_seen, response) => json(response, 'nonsense'), (_seen, response) => json(response, list('1', ['a']))], [open]), {
    locate: async () => (found ? '/api/v1/things' : undefined),
  });
  await each.until(() => each.told.length >= 2);
  found = true;
  await each.until(() => each.told.includes('all: a'));
  t.is(each.told[0], 'absent');
  t.regex(each.failures[0] ?? '', /not a list/);
});

test('a kind that was there is looked for some times more before its objects are taken for gone', async (t) => {
  let looks = 0;
  let absences = 0;
  const gone: Script = (_seen, response) => json(response, { message: 'not found' }, 404);
  const each = await run(t, scripted([(_seen, response) => json(response, list('1', ['a']))], [gone]), {
    // Gone for a moment after the first list; for good after the second.
    locate: async () => {
      looks += 1;
      if (looks === 1 || looks === 4) return '/api/v1/things';
      absences += 1;
      return undefined;
    },
  });
  await each.until(() => each.told.includes('absent'));
  t.deepEqual(each.told, ['all: a', 'all: a', 'absent']);
  t.is(absences, 2 + 5);
});
