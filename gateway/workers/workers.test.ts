import test from 'ava';
import { Workers, type FromWorker, type ToWorker, type WorkerProcess } from './workers.ts';

class FakeProcess implements WorkerProcess {
  readonly pid = 7;
  readonly sent: ToWorker[] = [];
  readonly killed: string[] = [];
  #hear: (message: unknown) => void = () => {};
  #exit: (how: string) => void = () => {};

  send(message: ToWorker): void {
    this.sent.push(message);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#hear = listener;
  }

  onExit(listener: (how: string) => void): void {
    this.#exit = listener;
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.killed.push(signal);
    if (signal === 'SIGKILL') this.exits('SIGKILL');
  }

  says(message: FromWorker | string): void {
    this.#hear(message);
  }

  exits(how: string): void {
    this.#exit(how);
  }
}

function started(count: number, prepare = async (_index: number): Promise<void> => {}) {
  const spawned: { readonly index: number; readonly process: FakeProcess }[] = [];
  const log: string[] = [];
  let clock = 0;
  const workers = new Workers({
    count, prepare, now: () => clock, random: () => 0,
    log: (level, message, more) => void log.push(`${level} ${message}${more?.['startedAgainInMs'] === undefined ? '' : ` ${more['startedAgainInMs']}`}`),
    spawn: (index) => {
      const process = new FakeProcess();
      spawned.push({ index, process });
      return process;
    },
  });
  workers.start();
  return { workers, spawned, log, pass: (ms: number) => (clock += ms) };
}

const until = async (check: () => boolean): Promise<void> => {
  for (let round = 0; round < 300 && !check(); round++) await new Promise((resolve) => setTimeout(resolve, 10));
};

test('ready when all are', (t) => {
  const { workers, spawned } = started(2);
  t.deepEqual(spawned.map(({ index }) => index), [1, 2]);
  t.is(workers.notReady(), 'worker 1: not started');
  spawned[0]!.process.says({ kind: 'ready' });
  spawned[1]!.process.says({ kind: 'ready', reason: 'no listeners yet' });
  t.is(workers.notReady(), 'worker 2: no listeners yet');
  spawned[1]!.process.says('garbage');
  spawned[1]!.process.says({ kind: 'ready' });
  t.is(workers.notReady(), undefined);
});

test('one that ends before its time is started again, later each time; a long life forgives', async (t) => {
  const { spawned, log, pass } = started(1);
  spawned[0]!.process.exits('SIGSEGV');
  await until(() => spawned.length === 2);
  spawned[1]!.process.exits('code 1');
  await until(() => spawned.length === 3);
  pass(60_000);
  spawned[2]!.process.exits('code 1');
  await until(() => spawned.length === 4);
  t.deepEqual(log.filter((line) => line.startsWith('error')), ['error worker ended before its time 100', 'error worker ended before its time 200', 'error worker ended before its time 50']);
});

test('what is needed is made ready before one is started again, and none is where all end meanwhile', async (t) => {
  const asked: number[] = [];
  let ready = (): void => {};
  const { workers, spawned } = started(2, (index) => {
    asked.push(index);
    return new Promise((resolve) => (ready = resolve));
  });
  spawned[1]!.process.exits('SIGKILL');
  await until(() => asked.length === 1);
  t.deepEqual([asked, spawned.length], [[2], 2]);
  ready();
  await until(() => spawned.length === 3);
  t.is(spawned[2]!.index, 2);
  spawned[0]!.process.exits('SIGKILL');
  await until(() => asked.length === 2);
  workers.end();
  spawned[2]!.process.exits('code 0');
  await workers.ended(1000);
  ready();
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(spawned.length, 3);
});

test('metrics of those that answer', async (t) => {
  const { workers, spawned } = started(2);
  const pages = workers.pages();
  const [asked] = spawned[1]!.process.sent;
  spawned[1]!.process.says({ kind: 'metrics', question: asked?.kind === 'metrics' ? asked.question : -1, text: 'two 1\n' });
  t.deepEqual(await pages, [{ worker: '2', text: 'two 1\n' }]);
});

test('the secret of session tickets goes to all, and to one that is started later the last of them', async (t) => {
  const { workers, spawned } = started(2);
  t.deepEqual(spawned.map(({ process }) => process.sent), [[], []]);
  workers.shareTickets(Buffer.from('one'));
  workers.shareTickets(Buffer.from('two'));
  const [one, two] = ['one', 'two'].map((secret) => ({ kind: 'tickets' as const, secret: Buffer.from(secret).toString('base64') }));
  for (const { process } of spawned) t.deepEqual(process.sent, [one!, two!]);
  spawned[0]!.process.exits('code 1');
  await until(() => spawned.length === 3);
  t.deepEqual(spawned[2]!.process.sent, [two!]);
});

test('the end: all are told, none is started again, what stays is killed', async (t) => {
  const { workers, spawned } = started(2);
  workers.end();
  t.deepEqual(spawned.map(({ process }) => process.killed), [['SIGTERM'], ['SIGTERM']]);
  const ended = workers.ended(50);
  spawned[0]!.process.exits('code 0');
  await ended;
  t.deepEqual(spawned[1]!.process.killed, ['SIGTERM', 'SIGKILL']);
  await new Promise((resolve) => setTimeout(resolve, 250));
  t.is(spawned.length, 2);
});
