import { connect } from 'node:net';
import test from 'ava';
import { CaptureListener, type ListenerOptions } from './listener.ts';

test('each connection that is accepted is told, for others may stand behind it', async (t) => {
  let accepted = 0;
  const options = { address: '127.0.0.1', port: 0, maxConnections: 10, metrics: { count() {} }, intake: { accepted: () => accepted++ }, original: () => undefined, isOwn: () => false };
  const listener = new CaptureListener(options as unknown as ListenerOptions);
  await listener.bind();
  for (let count = 0; count < 2; count++) {
    await new Promise((resolve) => connect(listener.port, '127.0.0.1').on('error', () => {}).on('close', resolve).resume());
  }
  t.is(accepted, 2);
  await listener.close(0);
});
