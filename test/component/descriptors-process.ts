import { createExposition } from '#proxy';
import { applyTo, listenerWith, startRig } from './proxy-rig.ts';
import { setBackends, streamBackend, streamTable } from './streams-rig.ts';

/**
 * A proxy in a process of its own, which may have few descriptors. Its arguments are the ports of an endpoint of HTTP and of one of UDP; it tells its
 * own, and answers each message with its page of metrics.
 */
const rig = await startRig({ backends: { a: [Number(process.argv[2])] } });
setBackends(rig.proxy, { u: [Number(process.argv[3])] }, 'udp');
applyTo(rig.proxy, { streamTables: { changed: [streamTable('udp', [{ kind: 'UDPRoute', backends: [streamBackend('u')] }])] } });
const udp = await rig.proxy.listen({ ...listenerWith([{ name: 'udp', hostname: '', protocol: 'UDP', routes: 'listener/shop/gw/udp' }]), transport: 'udp' });
const page = createExposition(rig.metrics);
// Once while there is a descriptor to read the limit with.
await page();
process.on('message', () => void page().then(({ body }) => process.send?.(body)));
process.on('disconnect', () => process.exit());
process.send?.([rig.listener.port, udp.port]);
