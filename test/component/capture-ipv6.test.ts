import { next, startCaptureRig } from './capture-rig.ts';
import { withIPv6 } from './ipv6.ts';
import { answering, ok, rawServer } from './proxy-rig.ts';

const labels = { 'kubernetes.io/service-name': 'web' };
const slice = (family: string, address: string, port: number): object => ({
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: `web-${family.toLowerCase()}`, namespace: 'shop', labels }, addressType: family,
  endpoints: [{ addresses: [address], targetRef: { kind: 'Pod', name: 'a' } }], ports: [{ name: 'any', port }],
});

withIPv6('a connection to either ClusterIP of a Service goes to its Pod once, by the family that the Service has first', async (t) => {
  const [four, six] = [await rawServer(answering(ok('four'))), await rawServer(answering(ok('six')), '::1')];
  t.teardown(() => Promise.all([four.close(), six.close()]));
  const spec = { clusterIP: 'FD00:96:0::9', clusterIPs: ['FD00:96:0::9', '10.96.0.9'], ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'PreferDualStack', ports: [{ name: 'any', port: 80 }] };
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' }, spec };
  const rig = await startCaptureRig([service, slice('IPv4', '127.0.0.1', four.port), slice('IPv6', '::1', six.port)]);
  t.teardown(() => rig.close());
  for (const host of ['fd00:96::9', '10.96.0.9', 'fd00:96::9', '10.96.0.9']) {
    const socket = rig.dial({ host, port: 80 });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    t.regex(await next(socket), /six$/, host);
    socket.destroy();
  }
  t.is(four.sockets.length, 0);
});
