import test from 'ava';
import { conditionsOf, listenerOf, statusOf, translateYaml } from '../../testing.ts';

const gateway = (spec: string, name = 'edge'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop, generation: 7 }
spec:
  gatewayClassName: weft
${spec}
---`;

const listeners = (...all: readonly string[]): string => `  listeners:\n${all.map((each) => `    - ${each}\n`).join('')}`;

test('a protocol that is not served makes its listener UnsupportedProtocol, with no supported kinds', (t) => {
  const translation = translateYaml(gateway(listeners('{ name: good, port: 80, protocol: HTTP }', '{ name: bad, port: 90, protocol: example.com/odd }')));
  const bad = listenerOf(translation, 'edge', 'bad');
  t.is(conditionsOf(bad)['Accepted'], 'False UnsupportedProtocol');
  t.is(conditionsOf(bad)['Programmed'], 'False Invalid');
  t.deepEqual(bad.supportedKinds, []);
  t.is(conditionsOf(listenerOf(translation, 'edge', 'good'))['Accepted'], 'True Accepted');
  t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['Accepted'], 'True ListenersNotValid');
  t.is(translation.snapshots.listeners.get('shop/edge')?.length, 1);
});

test('a Gateway without a valid listener is not accepted', (t) => {
  const translation = translateYaml(gateway(listeners('{ name: bad, port: 90, protocol: example.com/odd }')));
  t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['Accepted'], 'False ListenersNotValid');
  t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['Programmed'], 'False Invalid');
  t.deepEqual(translation.snapshots.listeners.get('shop/edge'), []);
});

test('every condition is of the current generation', (t) => {
  const translation = translateYaml(gateway(listeners('{ name: http, port: 80, protocol: HTTP }')));
  const all = [...statusOf(translation, 'Gateway edge').conditions, ...listenerOf(translation, 'edge', 'http').conditions];
  t.true(all.every(({ observedGeneration }) => observedGeneration === 7));
});

test('two protocols on one port conflict, and neither is served', (t) => {
  const translation = translateYaml(gateway(listeners('{ name: a, port: 80, protocol: HTTP }', '{ name: b, port: 80, protocol: HTTPS, tls: { certificateRefs: [{ name: none }] } }', '{ name: c, port: 81, protocol: HTTP }')));
  for (const name of ['a', 'b']) {
    const conditions = conditionsOf(listenerOf(translation, 'edge', name));
    t.is(conditions['Conflicted'], 'True ProtocolConflict');
    t.is(conditions['Accepted'], 'False ProtocolConflict');
  }
  t.deepEqual(translation.snapshots.listeners.get('shop/edge')?.map(({ name }) => name), ['shop/edge/81']);
});

test('a protocol that is not served conflicts with nothing', (t) => {
  const translation = translateYaml(gateway(listeners('{ name: a, port: 80, protocol: HTTP }', '{ name: b, port: 80, protocol: example.com/odd }')));
  t.is(conditionsOf(listenerOf(translation, 'edge', 'a'))['Conflicted'], 'False NoConflicts');
});

const conflicts = (...all: readonly string[]): readonly (string | undefined)[] => {
  const translation = translateYaml(gateway(listeners(...all)));
  return all.map((each) => conditionsOf(listenerOf(translation, 'edge', /name: (\w+)/.exec(each)?.[1] ?? ''))['Conflicted']);
};

test('TCP needs a port for itself; UDP has ports of its own', (t) => {
  const [protocol, none] = ['True ProtocolConflict', 'False NoConflicts'];
  t.deepEqual(conflicts('{ name: a, port: 80, protocol: HTTP }', '{ name: b, port: 80, protocol: TCP }'), [protocol, protocol]);
  t.deepEqual(conflicts('{ name: a, port: 80, protocol: TLS, hostname: a.example.com, tls: { mode: Passthrough } }', '{ name: b, port: 80, protocol: TCP }'), [protocol, protocol]);
  t.deepEqual(conflicts('{ name: a, port: 80, protocol: HTTP }', '{ name: b, port: 80, protocol: UDP }', '{ name: c, port: 81, protocol: UDP }'), [none, none, none]);
});

test('TLS and HTTPS share a port where their hostnames differ, whatever the mode', (t) => {
  const https = (hostname: string): string => `{ name: h, port: 443, protocol: HTTPS, hostname: ${hostname}, tls: { certificateRefs: [{ name: none }] } }`;
  const tls = (mode: string, name = 't', hostname = 'b.example.com'): string => `{ name: ${name}, port: 443, protocol: TLS, hostname: ${hostname}, tls: { mode: ${mode}, certificateRefs: [{ name: none }] } }`;
  const none = 'False NoConflicts';
  t.deepEqual(conflicts(https('a.example.com'), tls('Passthrough')), [none, none]);
  t.deepEqual(conflicts(https('a.example.com'), tls('Terminate')), [none, none]);
  t.deepEqual(conflicts(tls('Terminate', 'x', 'a.example.com'), tls('Passthrough')), [none, none]);
  t.deepEqual(conflicts(https('b.example.com'), tls('Passthrough')), ['True ProtocolConflict', 'True ProtocolConflict']);
});

test('each protocol takes its kinds of routes; TLS that passes through takes no TCPRoute', (t) => {
  const kinds = (listener: string): readonly string[] => (listenerOf(translateYaml(gateway(listeners(listener))), 'edge', 'l').supportedKinds as readonly { kind: string }[]).map(({ kind }) => kind);
  t.deepEqual(kinds('{ name: l, port: 80, protocol: HTTP }'), ['HTTPRoute', 'GRPCRoute']);
  t.deepEqual(kinds('{ name: l, port: 80, protocol: TLS, tls: { mode: Passthrough } }'), ['TLSRoute']);
  t.deepEqual(kinds('{ name: l, port: 80, protocol: TLS, tls: { mode: Terminate, certificateRefs: [{ name: none }] } }'), ['TLSRoute', 'TCPRoute']);
  t.deepEqual(kinds('{ name: l, port: 80, protocol: TCP }'), ['TCPRoute']);
  t.deepEqual(kinds('{ name: l, port: 80, protocol: UDP }'), ['UDPRoute']);
});

test('TCP and UDP of one port are two sockets', (t) => {
  const { snapshots } = translateYaml(gateway(listeners('{ name: t, port: 53, protocol: TCP }', '{ name: u, port: 53, protocol: UDP }')));
  t.deepEqual(snapshots.listeners.get('shop/edge')?.map(({ name, transport, sections }) => [name, transport, sections.map(({ protocol }) => protocol)]), [['shop/edge/53', undefined, ['TCP']], ['shop/edge/53/udp', 'udp', ['UDP']]]);
});

test('listeners of one port with distinct hostnames are sections of one socket', (t) => {
  const { snapshots } = translateYaml(gateway(listeners('{ name: a, port: 80, protocol: HTTP, hostname: a.example.com }', '{ name: b, port: 80, protocol: HTTP }')));
  const [listener, ...others] = snapshots.listeners.get('shop/edge') ?? [];
  t.is(others.length, 0);
  t.deepEqual(listener?.sections.map(({ name, hostname, routes }) => [name, hostname, routes]), [['a', 'a.example.com', 'listener/shop/edge/a'], ['b', '', 'listener/shop/edge/b']]);
});

test('a route kind that is not supported is InvalidRouteKinds, and the supported one stays', (t) => {
  const translation = translateYaml(gateway(listeners(
    '{ name: some, port: 80, protocol: HTTP, allowedRoutes: { kinds: [{ kind: HTTPRoute }, { kind: TCPRoute }] } }',
    '{ name: none, port: 81, protocol: HTTP, allowedRoutes: { kinds: [{ kind: UDPRoute }] } }',
  )));
  const some = listenerOf(translation, 'edge', 'some');
  t.is(conditionsOf(some)['ResolvedRefs'], 'False InvalidRouteKinds');
  t.is(conditionsOf(some)['Programmed'], 'True Programmed');
  t.deepEqual(some.supportedKinds, [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' }]);
  const none = listenerOf(translation, 'edge', 'none');
  t.deepEqual(none.supportedKinds, []);
  t.is(conditionsOf(none)['Programmed'], 'False Invalid');
  t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['ResolvedRefs'], 'False ListenersNotResolved');
});

test('what a Gateway asks for and is not supported yet is named, not left out', (t) => {
  const http = listeners('{ name: http, port: 80, protocol: HTTP }');
  const cases: readonly (readonly [string, string, string])[] = [
    ['  addresses: [{ type: Hostname, value: example.com }]\n', 'False UnsupportedAddress', 'Hostname'],
    ['  infrastructure: { parametersRef: { group: x.io, kind: P, name: p } }\n', 'False InvalidParameters', 'parametersRef'],
    ['  defaultScope: All\n', 'False Invalid', 'default Gateways'],
  ];
  for (const [spec, accepted, word] of cases) {
    const translation = translateYaml(gateway(spec + http));
    const { conditions } = statusOf(translation, 'Gateway edge');
    t.is(conditionsOf({ conditions })['Accepted'], accepted, spec);
    t.true(conditions[0]?.message.includes(word), conditions[0]?.message);
    t.deepEqual(translation.snapshots.listeners.get('shop/edge'), []);
    t.is(translation.problems.filter(({ severity }) => severity === 'error').length, 1);
  }
});

test('an address that the environment does not have is AddressNotUsable, none at all AddressNotAssigned', (t) => {
  const yaml = gateway(`  addresses: [{ value: 192.0.2.1 }]\n${listeners('{ name: http, port: 80, protocol: HTTP }')}`);
  const unusable = translateYaml(yaml, { gatewayAddresses: new Map([['shop/edge', ['127.0.0.1']]]) });
  t.is(conditionsOf(statusOf(unusable, 'Gateway edge'))['Programmed'], 'False AddressNotUsable');
  // Whoever gives addresses takes what is asked for, and can't make an address of a name.
  const name = translateYaml(gateway(`  addresses: [{ value: example.com }]\n${listeners('{ name: http, port: 80, protocol: HTTP }')}`), { gatewayAddresses: new Map([['shop/edge', ['example.com']]]) });
  t.is(conditionsOf(statusOf(name, 'Gateway edge'))['Programmed'], 'False AddressNotUsable');
  t.true(name.problems.some(({ message, path }) => message === 'example.com is no IP address' && path.join('.') === 'spec.addresses.0.value'));
  t.deepEqual(statusOf(unusable, 'Gateway edge')['addresses'], []);
  const none = translateYaml(gateway(listeners('{ name: http, port: 80, protocol: HTTP }')), { gatewayAddresses: new Map() });
  t.is(conditionsOf(statusOf(none, 'Gateway edge'))['Programmed'], 'False AddressNotAssigned');
});

test('an IPv6 address is the same however it is written', (t) => {
  const yaml = gateway(`  addresses: [{ value: "2001:DB8:0::9" }, { value: "2001:db8::9" }]\n${listeners('{ name: http, port: 80, protocol: HTTP }')}`);
  const translation = translateYaml(yaml, { gatewayAddresses: new Map([['shop/edge', ['2001:db8::9']]]) });
  t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['Programmed'], 'True Programmed');
  t.deepEqual(statusOf(translation, 'Gateway edge')['addresses'], [{ type: 'IPAddress', value: '2001:db8::9' }]);
  t.deepEqual(translation.snapshots.listeners.get('shop/edge')?.map(({ address, name }) => [address, name]), [['2001:db8::9', 'shop/edge/80']]);
});

test('two Gateways that ask for one address share it, but not its ports: the older has them', (t) => {
  const spec = (port: number): string => `  addresses: [{ value: 127.0.0.9 }]\n${listeners(`{ name: http, port: ${port}, protocol: HTTP }`, '{ name: own, port: 8080, protocol: HTTP }')}`;
  const young = gateway(spec(80), 'young').replace('generation: 7', 'creationTimestamp: "2026-02-01T00:00:00Z"').replace('port: 8080', 'port: 8081');
  const old = gateway(spec(80), 'old').replace('generation: 7', 'creationTimestamp: "2026-01-01T00:00:00Z"');
  const translation = translateYaml(young + old);
  t.is(conditionsOf(listenerOf(translation, 'old', 'http'))['Accepted'], 'True Accepted');
  t.is(conditionsOf(listenerOf(translation, 'young', 'http'))['Accepted'], 'False PortUnavailable');
  t.is(conditionsOf(listenerOf(translation, 'young', 'own'))['Accepted'], 'True Accepted');
});

test('the port offset moves the bound port and not the name; beyond 65535 there is no port', (t) => {
  const translation = translateYaml(gateway(listeners('{ name: http, port: 80, protocol: HTTP }', '{ name: high, port: 65000, protocol: HTTP }')), { portOffset: 8000 });
  const [listener, ...others] = translation.snapshots.listeners.get('shop/edge') ?? [];
  t.is(listener?.name, 'shop/edge/80');
  t.is(listener?.port, 8080);
  t.is(others.length, 0);
  t.is(conditionsOf(listenerOf(translation, 'edge', 'high'))['Accepted'], 'False PortUnavailable');
});

test('a Gateway of another controller gets no status, no listener and no problem', (t) => {
  const other = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: other }
spec: { controllerName: example.com/other }
---`;
  const translation = translateYaml(other + gateway(listeners('{ name: http, port: 80, protocol: HTTP }')).replace('gatewayClassName: weft', 'gatewayClassName: other'));
  t.deepEqual(translation.statuses, []);
  t.deepEqual(translation.problems, []);
  t.is(translation.snapshots.listeners.size, 0);
});

test('a GatewayClass of ours says what is supported, sorted; one with parameters is not accepted, nor are its Gateways', (t) => {
  const own = (spec: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weft }
spec: { controllerName: weft-mesh.io/controller${spec} }
---${gateway(listeners('{ name: http, port: 80, protocol: HTTP }'))}`;
  const good = statusOf(translateYaml(own('')), 'GatewayClass weft');
  t.deepEqual(conditionsOf(good), { Accepted: 'True Accepted', SupportedVersion: 'True SupportedVersion' });
  const names = (good['supportedFeatures'] as readonly { readonly name: string }[]).map(({ name }) => name);
  t.deepEqual(names, names.toSorted());
  const bad = translateYaml(own(', parametersRef: { group: x.io, kind: P, name: p }'));
  t.is(conditionsOf(statusOf(bad, 'GatewayClass weft'))['Accepted'], 'False InvalidParameters');
  t.is(conditionsOf(statusOf(bad, 'Gateway edge'))['Accepted'], 'False InvalidParameters');
});
