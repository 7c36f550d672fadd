import { connect, createServer } from 'node:net';
import { createProxy, Metrics } from '#proxy';
import { linuxOriginalDestination, startCapture } from '#sidecar';

/** One process of the test with a network namespace: `sidecar UID ADDRESS,…`, `server ADDRESS PORT`, or `client ADDRESS PORT`. Says when it is ready. */
const [role, first = '', second = ''] = process.argv.slice(2);

switch (role) {
  case 'server':
    // Says who it thinks is there, and to whom it was.
    createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`${socket.localAddress}:${socket.localPort} from ${socket.remoteAddress}`);
    }).listen(Number(second), first, () => console.log('ready'));
    break;
  case 'client': {
    const socket = connect(Number(second), first);
    socket.on('error', (error) => console.log(`error ${error.message}`));
    socket.on('data', (bytes: Buffer) => console.log(bytes.toString()));
    socket.on('close', () => console.log('closed'));
    break;
  }
  case 'sidecar': {
    process.setuid?.(Number(first));
    const metrics = new Metrics();
    const clocks = { now: () => performance.now(), random: Math.random };
    await startCapture({
      node: { id: 'sidecar/shop/p', role: 'sidecar', namespace: 'shop', name: 'p' },
      proxy: createProxy({ ...clocks, wallClock: Date.now, metrics }),
      metrics,
      ...clocks,
      dial: () => {
        throw new Error('there is none');
      },
      original: await linuxOriginalDestination(),
      address: '::',
      podAddresses: second.split(','),
      outboundPort: 15_001,
      inboundPort: 15_006,
      resolveTimeoutMs: 20,
    });
    console.log('ready');
    setInterval(() => {}, 60_000);
  }
}
