import { createExposition } from '#proxy';
import { startRig } from './proxy-rig.ts';

/** A proxy in a process of its own, which may have few descriptors. The endpoint's port is its argument. Answers each message with its page of metrics. */
const rig = await startRig({ backends: { a: [Number(process.argv[2])] } });
const page = createExposition(rig.metrics);
// Once while there is a descriptor to read the limit with.
await page();
process.on('message', () => void page().then(({ body }) => process.send?.(body)));
process.on('disconnect', () => process.exit());
process.send?.(rig.listener.port);
