import { Session } from 'node:inspector';

/** Loaded into the gateway's process (`--import`): samples its stacks between the messages `start` and `stop`, then answers with the profile. */
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: 200 });

process.on('message', (message) => {
  if (message === 'start') return session.post('Profiler.start', () => process.send?.('started'));
  session.post('Profiler.stop', (_error, { profile }) => process.send?.(profile));
});
process.channel?.unref();
