import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { channelPair, keepConnected, Publisher, runSteps, Subscriber, type Channel, type Endpoints, type Link, type Published, type ResourceKind } from '#snapshot';
import { keepLastGood, type LastGood } from './last-good.ts';

/** A controller that can be away. */
class Controller {
  readonly resources = new Map<string, Published>();
  away = false;
  dials = 0;
  readonly #open = new Set<{ readonly channel: Channel; readonly publisher: Publisher }>();
  sent = 0;

  put(name: string, address: string): void {
    const resource: Endpoints = { kind: 'Endpoints', name, endpoints: [{ address, port: 1 }] };
    const version = `${name}@${address}`;
    this.resources.set(`Endpoints ${name}`, { version, encoded: JSON.stringify({ name, version, resource }) });
    for (const { publisher } of this.#open) runSteps(publisher.refresh());
  }

  async dial(): Promise<Channel> {
    this.dials += 1;
    if (this.away) throw new Error('away');
    const [theirs, ours] = channelPair();
    const view = { find: (type: ResourceKind, name: string) => this.resources.get(`${type} ${name}`), own: (type: ResourceKind) => [...this.resources.keys()].flatMap((key) => (key.startsWith(`${type} `) ? [key.slice(type.length + 1)] : [])) };
    const publisher = new Publisher({
      send: (message) => {
        this.sent += 1;
        ours.send(message);
      },
      open: () => view,
    });
    const one = { channel: ours, publisher };
    this.#open.add(one);
    ours.onMessage((message) => void runSteps(publisher.receive(message)));
    ours.onClose(() => this.#open.delete(one));
    return theirs;
  }

  /** By the proxies that are there. */
  rejected(): readonly string[] {
    return [...this.#open].flatMap(({ publisher }) => [...publisher.rejected('Endpoints').keys()]);
  }

  leave(): void {
    this.away = true;
    for (const { channel } of this.#open) channel.close();
  }
}

interface Proxy {
  readonly keeper: LastGood;
  readonly link: Link;
  readonly subscriber: Subscriber;
  /** Messages for the log. */
  readonly told: readonly string[];
  address(name: string): string | undefined;
  stop(): Promise<void>;
}

function proxy(file: string, controller: Controller, refuse: (name: string) => boolean = () => false): Proxy {
  const told: string[] = [];
  const keeper = keepLastGood({ file, dial: () => controller.dial(), random: () => 0.05, patienceMs: 30, saveMs: 10, failed: (message) => told.push(message) });
  const subscriber = new Subscriber({
    node: { id: 'sidecar/shop/web', role: 'sidecar', namespace: 'shop', name: 'web' },
    check: (resource) => (resource.kind === 'Endpoints' && refuse(resource.endpoints[0]?.address ?? '') ? 'refused' : undefined),
    lastGood: (type, name) => keeper.lastGood(type, name),
    apply: () => {},
    now: () => performance.now(),
  });
  const link = keepConnected(subscriber, {
    dial: () => keeper.dial(),
    random: () => 0.1,
    after: (milliseconds, turn) => {
      const timer = setTimeout(turn, milliseconds);
      return () => clearTimeout(timer);
    },
  });
  return {
    keeper,
    link,
    subscriber,
    told,
    address: (name) => {
      const live = subscriber.live('Endpoints', name);
      return live?.kind === 'Endpoints' ? live.endpoints[0]?.address : undefined;
    },
    stop: async () => {
      link.close();
      await keeper.close();
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 400 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!condition()) throw new Error('not reached');
}

async function fileIn(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'weft-last-good-')), 'snapshot.json');
}

test('a proxy that starts while the controller is away serves what it had; when that is back it goes on with what is new', async (t) => {
  const file = await fileIn();
  const controller = new Controller();
  controller.put('a', '10.0.0.1');
  controller.put('b', '10.0.0.2');
  const first = proxy(file, controller);
  for (const name of ['a', 'b']) first.subscriber.want('Endpoints', name);
  await until(() => first.address('a') !== undefined && first.address('b') !== undefined);
  await first.stop();
  t.is((await stat(file)).mode & 0o777, 0o600);

  controller.leave();
  const second = proxy(file, controller);
  for (const name of ['a', 'b', 'unknown']) second.subscriber.want('Endpoints', name);
  await until(() => second.address('b') !== undefined);
  t.is(second.keeper.source(), 'kept');
  t.is(second.address('a'), '10.0.0.1');
  // Only the controller can say that there is no such thing.
  t.is(second.subscriber.answered('Endpoints', 'unknown'), undefined);

  controller.put('b', '10.0.0.3');
  controller.away = false;
  controller.sent = 0;
  await until(() => second.address('b') === '10.0.0.3');
  t.is(second.keeper.source(), 'controller');
  t.is(second.address('a'), '10.0.0.1');
  t.is(second.subscriber.answered('Endpoints', 'unknown'), 'absent');
  // One response for what differs: what the proxy has is not sent again.
  t.true(controller.sent <= 2);
  await second.stop();
  t.regex(await readFile(file, 'utf8'), /10\.0\.0\.3/);
});

test('what the proxy refuses does not take the place of what it works with', async (t) => {
  const file = await fileIn();
  const controller = new Controller();
  controller.put('a', '10.0.0.1');
  const first = proxy(file, controller, (address) => address === '10.0.0.9');
  first.subscriber.want('Endpoints', 'a');
  await until(() => first.address('a') !== undefined);
  controller.put('a', '10.0.0.9');
  await new Promise((resolve) => setTimeout(resolve, 60));
  await first.stop();
  const text = await readFile(file, 'utf8');
  t.regex(text, /10\.0\.0\.1/);
  t.notRegex(text, /10\.0\.0\.9/);
});

test('a proxy that starts anew goes on with what it had where the controller says what it refuses, and keeps that', async (t) => {
  const file = await fileIn();
  const controller = new Controller();
  const refuses = (address: string): boolean => address === '10.0.0.9';
  for (const name of ['a', 'b', 'c']) controller.put(name, '10.0.0.1');
  const first = proxy(file, controller, refuses);
  for (const name of ['a', 'b', 'c']) first.subscriber.want('Endpoints', name);
  await until(() => ['a', 'b', 'c'].every((name) => first.address(name) !== undefined));
  await first.stop();
  controller.put('a', '10.0.0.9');
  controller.put('b', '10.0.0.2');
  for (let run = 0; run < 2; run++) {
    const next = proxy(file, controller, refuses);
    for (const name of ['a', 'b']) next.subscriber.want('Endpoints', name);
    await until(() => next.address('a') !== undefined && next.address('b') !== undefined);
    t.is(next.keeper.source(), 'controller');
    t.is(next.address('a'), '10.0.0.1');
    t.is(next.address('b'), '10.0.0.2');
    await until(() => controller.rejected().join() === 'a');
    t.is(next.keeper.lastGood('Endpoints', 'b'), undefined, 'a newer one was taken');
    await next.stop();
  }
  // What this run was told in its place, that there is none, counts: not what an earlier one had.
  const last = proxy(file, controller, refuses);
  controller.resources.delete('Endpoints a');
  last.subscriber.want('Endpoints', 'a');
  await until(() => last.subscriber.answered('Endpoints', 'a') === 'absent');
  controller.put('a', '10.0.0.9');
  await until(() => controller.rejected().includes('a'));
  t.is(last.address('a'), undefined);
  t.is(last.keeper.lastGood('Endpoints', 'a'), undefined);
  await last.stop();
});

const holding = (format: number, ...resources: readonly object[]): string => JSON.stringify({ format, resources: { Tomorrow: [{}], Endpoints: resources.map((resource) => ({ name: 'a', version: '1', ...resource })) } });

for (const [what, text, said] of [
  ['is cut off', '{"format":1,"resources":{"Endpoi', /it is not JSON, or not all of it is there$/],
  ['is empty', '', /it is not JSON/],
  ['is of another format', holding(2), /it is of format 2, and 1 is read here: another version of the proxy has written it$/],
  ['says nothing', 'null', /it is of format undefined/],
  ['has what is no resource', holding(1, { name: 7 }), /Endpoints: message\.resources\[0\]\.name: not a string$/],
] as const) {
  test(`a file that ${what} counts as none, and the log says so without its text`, async (t) => {
    const file = await fileIn();
    await writeFile(file, text);
    const controller = new Controller();
    controller.put('a', '10.0.0.1');
    const each = proxy(file, controller);
    each.subscriber.want('Endpoints', 'a');
    await until(() => each.address('a') !== undefined);
    t.is(each.keeper.source(), 'controller');
    t.is(each.told.length, 1);
    t.regex(each.told[0]!, said);
    t.notRegex(each.told[0]!, /Endpoi$/);
    await each.stop();
  });
}

test('of a file that another version of the proxy has written, all that is known here is used, and what is not is told', async (t) => {
  const file = await fileIn();
  const endpoints = (name: string, more: object): object => ({ name, resource: { kind: 'Endpoints', name, endpoints: [{ address: '10.0.0.1', port: 1, ...more }] } });
  await writeFile(file, holding(1, endpoints('a', { authorization: 'x' }), endpoints('b', {})));
  const controller = new Controller();
  controller.leave();
  const each = proxy(file, controller);
  for (const name of ['a', 'b']) each.subscriber.want('Endpoints', name);
  await until(() => each.address('b') !== undefined && each.told.length > 0);
  t.is(each.address('a'), undefined);
  t.regex(each.told[0]!, /Endpoints\.endpoints\[0\]: has a field "authorization", which is not known here/);
  await each.stop();
});

test('a proxy that was connected once needs no file when the controller goes away', async (t) => {
  const controller = new Controller();
  controller.put('a', '10.0.0.1');
  const each = proxy(await fileIn(), controller);
  each.subscriber.want('Endpoints', 'a');
  await until(() => each.address('a') !== undefined);
  controller.leave();
  await until(() => controller.dials > 2);
  t.is(each.address('a'), '10.0.0.1');
  controller.away = false;
  controller.put('a', '10.0.0.2');
  await until(() => each.address('a') === '10.0.0.2');
  await each.stop();
});

test('a controller that goes away in the middle of its first words costs nothing of what an earlier run had', async (t) => {
  const file = await fileIn();
  const controller = new Controller();
  for (const name of ['a', 'b', 'c']) controller.put(name, '10.0.0.1');
  const first = proxy(file, controller);
  for (const name of ['a', 'b', 'c']) first.subscriber.want('Endpoints', name);
  await until(() => ['a', 'b', 'c'].every((name) => first.address(name) !== undefined));
  await first.stop();

  controller.put('a', '10.0.0.2');
  // What it has not said yet has no answer.
  const second = proxy(file, controller);
  second.subscriber.want('Endpoints', 'a');
  await until(() => second.address('a') === '10.0.0.2');
  // And this one is gone.
  controller.resources.delete('Endpoints c');
  second.subscriber.want('Endpoints', 'c');
  await until(() => second.subscriber.answered('Endpoints', 'c') === 'absent');
  controller.leave();
  await second.stop();

  const third = proxy(file, controller);
  for (const name of ['a', 'b', 'c']) third.subscriber.want('Endpoints', name);
  await until(() => third.address('a') !== undefined && third.address('b') !== undefined);
  t.is(third.address('a'), '10.0.0.2');
  t.is(third.address('b'), '10.0.0.1');
  t.is(third.address('c'), undefined);
  await third.stop();
});

test('of all that is its own, a proxy that starts anew hears what is gone, and keeps it no longer', async (t) => {
  const file = await fileIn();
  const controller = new Controller();
  for (const name of ['a', 'b', 'c']) controller.put(name, '10.0.0.1');
  const first = proxy(file, controller);
  first.subscriber.want('Endpoints', '*');
  await until(() => ['a', 'b', 'c'].every((name) => first.address(name) !== undefined));
  await first.stop();

  controller.resources.delete('Endpoints c');
  controller.put('b', '10.0.0.2');
  const second = proxy(file, controller);
  second.subscriber.want('Endpoints', '*');
  await until(() => ['a', 'b'].every((name) => second.address(name) !== undefined));
  await second.stop();
  const kept = (JSON.parse(await readFile(file, 'utf8')) as { readonly resources: { readonly Endpoints: readonly { readonly version: string }[] } }).resources.Endpoints;
  t.deepEqual(kept.map(({ version }) => version).toSorted(), ['a@10.0.0.1', 'b@10.0.0.2']);
});

test('what could not be written is written later, though nothing changes any more, and no half of it is left', async (t) => {
  const file = await fileIn();
  const controller = new Controller();
  controller.put('a', '10.0.0.1');
  const failures: string[] = [];
  const keeper = keepLastGood({ file, dial: () => controller.dial(), random: () => 0.05, saveMs: 10, retryMs: 20, failed: (message) => void failures.push(message) });
  const subscriber = new Subscriber({ node: { id: 'x', role: 'sidecar', namespace: 'shop', name: 'web' }, check: () => undefined, apply: () => {}, now: () => performance.now() });
  const link = keepConnected(subscriber, { dial: () => keeper.dial(), random: () => 0, after: (ms, turn) => {
    const timer = setTimeout(turn, ms);
    return () => clearTimeout(timer);
  } });
  // A folder in the file's place: all but the last step can be done.
  await mkdir(join(file, 'in the way'), { recursive: true });
  subscriber.want('Endpoints', 'a');
  await until(() => failures.length > 1);
  t.deepEqual((await readdir(dirname(file))).filter((name) => name.endsWith('.next')), []);
  await rm(file, { recursive: true });
  for (let turn = 0; turn < 400 && !(await readFile(file, 'utf8').catch(() => '')).includes('10.0.0.1'); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  t.regex(await readFile(file, 'utf8'), /10\.0\.0\.1/);
  link.close();
  await keeper.close();
});
