import { createServer, connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { weftUp, type WeftUp } from '../faults/process.ts';
import { failed, figures, load, namespace, percentile, sleep, timeoutPolicy, type Outcome } from '../faults/rig.ts';

/**
 * Hostile clients in numbers, against `weft up` in a process of its own: each attack has a bound on time and memory, and another client is
 * served all the while. Counts and times are small; what matters is that nothing grows with the attack.
 */

const at = addresses(98);
const place = { address: at(1), port: 18_080 };
const port = 18_092;
/** 2 s without a byte, 1 s for a head: so that the test need not wait for the defaults. */
const limits = 'requestHeaders: 1s, idle: 2s, streamIdle: 2s';

let running!: WeftUp;
let quiet = 0;
let upstreamSent = 0;
let upstreamGot = 0;

/** `/`: an answer at once. `/large`: 64 MiB, as fast as they are taken. `/stall`: takes no byte of the body. */
async function upstream(): Promise<() => void> {
  const piece = Buffer.alloc(65_536, 'x');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (text.startsWith('GET /large')) pour(socket);
      else if (text.startsWith('POST /stall')) socket.pause();
      else if (text.startsWith('GET')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else upstreamGot += bytes.length;
    });
  });
  const pour = (socket: Socket): void => {
    let left = 1024;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${left * piece.length}\r\n\r\n`);
    const more = (): void => {
      while (left > 0) {
        left--;
        upstreamSent += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on('drain', more);
    more();
  };
  await new Promise<void>((resolve) => server.listen(port, at(2), resolve));
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}

interface Attacker {
  readonly socket: Socket;
  text: string;
  closedAfterMs: number | undefined;
}

async function attackers(count: number, send: (socket: Socket) => void, read: 'read' | 'leave' = 'read'): Promise<readonly Attacker[]> {
  const all: Attacker[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    const socket = connect({ host: place.address, port: place.port });
    const attacker: Attacker = { socket, text: '', closedAfterMs: undefined };
    all.push(attacker);
    socket.on('error', () => {});
    const closed = (): void => {
      attacker.closedAfterMs ??= performance.now() - start;
    };
    socket.on('close', closed).on('end', closed);
    if (read === 'read') socket.on('data', (bytes) => (attacker.text += bytes.toString('latin1', 0, 200)));
    socket.on('connect', () => send(socket));
    if (index % 50 === 49) await sleep(5);
  }
  return all;
}

async function allClosed(all: readonly Attacker[], withinMs: number): Promise<void> {
  const start = performance.now();
  while (all.some(({ closedAfterMs }) => closedAfterMs === undefined) && performance.now() - start < withinMs) await sleep(50);
}

/** The attack goes on beside a client of good will; `growthMiB` is what the proxy's memory may grow by. */
async function besides(t: ExecutionContext, what: string, growthMiB: number, attack: () => Promise<string>): Promise<void> {
  const before = running.memory();
  let peak = before ?? 0;
  const watch = setInterval(() => (peak = Math.max(peak, running.memory() ?? 0)), 50);
  const [told, outcomes]: [string, readonly Outcome[]] = await Promise.all([attack(), load(place, { total: 400, lanes: 4, overMs: 3500 })]).finally(() => clearInterval(watch));
  const grown = before === undefined ? 'unknown' : `${(peak - before).toFixed(0)} MiB`;
  t.log(`${what}: ${told}; memory grew by ${grown}; others: ${figures(outcomes)} (p99 when quiet: ${quiet.toFixed(1)} ms)`);
  t.deepEqual(failed(outcomes), []);
  if (before !== undefined) t.true(peak - before <= growthMiB, `memory grew by ${grown}, ${growthMiB} MiB allowed`);
}

let end: (() => void) | undefined;

test.serial('another client alone', async (t) => {
  t.timeout(30_000);
  end = await upstream();
  running = await weftUp(yaml.join(namespace, yaml.gateway('g', [place.port], place.address), yaml.route('r', '{ name: g }', { web: 1 }), yaml.service('web', 'web', port), yaml.pod('p', 'web', at(2)), timeoutPolicy(limits)));
  const outcomes = await load(place, { total: 600, lanes: 4, overMs: 1500 });
  t.log(figures(outcomes));
  t.deepEqual(failed(outcomes), []);
  quiet = percentile(outcomes, 0.99);
});

test.after.always(async () => {
  end?.();
  await running?.kill();
});

test.serial('slowloris: a head has its time, whatever drops in', async (t) => {
  t.timeout(30_000);
  await besides(t, 'slowloris', 64, async () => {
    const all = await attackers(500, (socket) => {
      const timer = setInterval(() => (socket.writable ? socket.write('X') : clearInterval(timer)), 200);
      socket.on('close', () => clearInterval(timer));
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
    });
    await allClosed(all, 5000);
    const slowest = Math.max(...all.map(({ closedAfterMs = Infinity }) => closedAfterMs));
    for (const { socket } of all) socket.destroy();
    t.true(slowest < 3500, `the slowest was closed after ${slowest} ms`);
    t.true(all.every(({ text }) => text.startsWith('HTTP/1.1 408 ')));
    return `500 connections got 408, the last after ${slowest.toFixed(0)} ms`;
  });
});

test.serial('slow readers: what they do not take is not fetched', async (t) => {
  t.timeout(30_000);
  upstreamSent = 0;
  const count = 40;
  await besides(t, 'slow readers', (count * 256) / 1024 + 32, async () => {
    const all = await attackers(count, (socket) => {
      socket.pause();
      socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
    }, 'leave');
    await sleep(1500);
    const fetched = upstreamSent / count / 2 ** 20;
    await sleep(1500);
    for (const { socket } of all) socket.destroy();
    // Most of it stands in the kernel's buffers on either side of the proxy.
    t.true(fetched < 24, `${fetched.toFixed(1)} MiB of 64 were fetched for each`);
    return `${count} responses of 64 MiB that nobody reads, ${fetched.toFixed(1)} MiB fetched of each`;
  });
});

test.serial('header bombs: refused at the limit', async (t) => {
  t.timeout(30_000);
  await besides(t, 'header bombs', 96, async () => {
    const bombs = [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(1_000_000)}\r\n\r\n`, `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}\r\n`, `GET /${'a'.repeat(1_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n`];
    let next = 0;
    const all = await attackers(150, (socket) => socket.write(bombs[next++ % bombs.length]!));
    await allClosed(all, 5000);
    t.true(all.every(({ closedAfterMs }) => closedAfterMs !== undefined));
    const refusals = all.filter(({ text }) => /^HTTP\/1\.1 (431|414) /.test(text)).length;
    for (const { socket } of all) socket.destroy();
    return `150 heads of up to 1 MB, ${refusals} told so before they were cut`;
  });
});

test.serial('endless bodies: a backend that takes nothing stops the client', async (t) => {
  t.timeout(30_000);
  upstreamGot = 0;
  await besides(t, 'endless bodies', 50 * 0.25 + 64, async () => {
    const piece = Buffer.alloc(65_536, 'y');
    let sent = 0;
    const all = await attackers(50, (socket) => {
      socket.write('POST /stall HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n');
      const more = (): void => {
        for (;;) {
          sent += piece.length;
          if (!socket.write(piece)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
    await allClosed(all, 10_000);
    const slowest = Math.max(...all.map(({ closedAfterMs = Infinity }) => closedAfterMs));
    for (const { socket } of all) socket.destroy();
    t.true(slowest < 10_000, `the slowest was ended after ${slowest} ms`);
    return `50 uploads of 1 GB, ${(sent / 50 / 2 ** 20).toFixed(1)} MiB sent by each, the last ended after ${slowest.toFixed(0)} ms`;
  });
});

test.serial('endless chunk extensions and trailers are refused', async (t) => {
  t.timeout(30_000);
  await besides(t, 'endless framing', 32, async () => {
    const starts = ['5;', '0\r\nA: '];
    let next = 0;
    const all = await attackers(100, (socket) => socket.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${starts[next++ % 2]}${'z'.repeat(100_000)}`));
    await allClosed(all, 5000);
    t.true(all.every(({ closedAfterMs }) => closedAfterMs !== undefined));
    for (const { socket } of all) socket.destroy();
    return '100 bodies of nothing but framing, all ended';
  });
});

test.serial('a flood of connections: others are served, and idle ones end', async (t) => {
  t.timeout(30_000);
  await besides(t, 'connection flood', 96, async () => {
    const all = await attackers(3000, () => {});
    await allClosed(all, 8000);
    const slowest = Math.max(...all.map(({ closedAfterMs = Infinity }) => closedAfterMs));
    for (const { socket } of all) socket.destroy();
    t.true(slowest < 8000, `the slowest was closed after ${slowest} ms`);
    return `3,000 connections, the last closed after ${slowest.toFixed(0)} ms`;
  });
});

test.serial('the process is still the same', (t) => {
  t.is(running.child.exitCode, null);
  t.log(`memory at the end: ${running.memory()?.toFixed(0)} MiB`);
});
