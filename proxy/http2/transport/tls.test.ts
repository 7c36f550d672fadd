import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import test from 'ava';
import { driveWheel } from '../../time/index.ts';
import type { Stream } from '../connection/stream.ts';
import { Recorder, RecordingAcceptor, RecordingKeeper, requestBlock, responseBlock } from '../testing/rig.ts';
import { acceptSession, connectSession, http2Environment } from './socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'http2-tls-'));
const [key, cert] = [join(folder, 'key'), join(folder, 'crt')];
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
const pair = { key: readFileSync(key), cert: readFileSync(cert) };
rmSync(folder, { recursive: true });

/** Sends back what comes, as it comes. */
class Echo extends Recorder {
  override received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    stream.send(bytes, start, end);
    if (stream.queued > 0) stream.pause();
  }

  override ended(): void {
    this.stream!.end();
  }

  override drained(): void {
    this.stream!.resume();
  }
}

/** Checks what comes against what was sent, byte by byte. */
class Check extends Recorder {
  wrong = 0;
  readonly done: Promise<void>;
  #finish: () => void = () => {};

  constructor() {
    super();
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  override received(_stream: Stream, bytes: Buffer, start: number, end: number): void {
    for (let p = start; p < end; p++) if (bytes[p] !== (this.bytes++ * 7) % 251) this.wrong++;
  }

  override ended(): void {
    super.ended();
    this.#finish();
  }

  override failed(stream: Stream, code: number, reason: string): void {
    super.failed(stream, code, reason);
    this.#finish();
  }
}

test('over TLS, both sides ours: bodies of 0 to 1 MB at once come back as they were', async (t) => {
  const faults: unknown[] = [];
  const driver = driveWheel({ now: () => performance.now(), onError: (error) => faults.push(error) });
  const environment = http2Environment({ now: () => performance.now(), wheel: driver.wheel, onError: (error) => faults.push(error) });
  const acceptor = new RecordingAcceptor();
  acceptor.onRequest = (stream) => {
    const echo = new Echo();
    echo.stream = stream;
    stream.headers(responseBlock(200));
    return echo;
  };
  const sockets: TLSSocket[] = [];
  const server = createServer({ ...pair, ALPNProtocols: ['h2'] }, (socket) => {
    sockets.push(socket);
    acceptSession(environment, socket, acceptor);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false });
  const keeper = new RecordingKeeper();
  const session = connectSession(environment, socket, keeper);
  const sizes = [0, 1, 100, 9000, 65_536, 300_000, 1_000_000, 50, 4096, 8193];
  const checks = sizes.map((size) => {
    const user = new Check();
    const stream = session.open(requestBlock({}, 'POST'), 'POST', user);
    stream.send(Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 7) % 251)), 0, size);
    stream.end();
    return { user, size };
  });
  await Promise.all(checks.map(({ user }) => user.done));
  for (const { user, size } of checks) {
    t.deepEqual(user.events.filter((event) => event !== 'drained'), ['responded 200', 'ended']);
    t.deepEqual([user.bytes, user.wrong], [size, 0]);
  }
  t.is(socket.alpnProtocol, 'h2');
  session.leave();
  while (!acceptor.events.at(-1)!.startsWith('closed')) await new Promise((resolve) => setTimeout(resolve, 5));
  t.is(keeper.events.at(-1), 'closed 0 done');
  t.is(acceptor.events.at(-1)?.startsWith('closed 0'), true);
  t.deepEqual(faults, []);
  for (const open of sockets) open.destroy();
  driver.stop();
  await new Promise((resolve) => server.close(resolve));
});
