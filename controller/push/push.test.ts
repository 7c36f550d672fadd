import test, { type ExecutionContext } from 'ava';
import type { ClusterState } from '#crds';
import { channelPair, keepConnected, runSteps, Subscriber, type ProxyNode, type Resource, type RouteTable, type VersionedResource } from '#snapshot';
import { stateFrom, translateYaml } from '../testing.ts';
import { isInjected } from '../injection.ts';
import { translate, translateInSteps } from '../translate.ts';
import { assignAddresses, createController, publish, stampTimes, viewOf, type Controller, type Report } from './index.ts';
import { Sessions } from './sessions.ts';
import { publishInSteps } from './view.ts';

const gateway = (name: string, extra = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop }
spec:
  gatewayClassName: weft
${extra}  listeners: [{ name: http, port: 80, protocol: HTTP }]
---`;
const route = (weight = 1, service = 'web'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ name: a }]
  rules: [{ backendRefs: [{ name: ${service}, port: 80, weight: ${weight} }] }]
---`;
const pod = (name: string, ip: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: c, ports: [{ containerPort: 9080 }] }] }
status: { podIP: ${ip} }
---`;
const service = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 9080 }] }
---`;

const gatewayNode: ProxyNode = { id: 'gateway/shop/a/0', role: 'gateway', namespace: 'shop', name: 'a' };
const sidecarNode: ProxyNode = { id: 'sidecar/other/p', role: 'sidecar', namespace: 'other', name: 'p' };

interface Joined {
  readonly live: Map<string, Resource>;
  readonly subscriber: Subscriber;
  updates: number;
}

function join(t: ExecutionContext, controller: Controller, node: ProxyNode, check: (resource: Resource) => string | undefined = () => undefined): Joined {
  const joined: Joined = {
    live: new Map(),
    updates: 0,
    subscriber: new Subscriber({
      node,
      check,
      now: () => performance.now(),
      apply: ({ resources, removed }) => {
        joined.updates += 1;
        for (const resource of resources) joined.live.set(`${resource.kind} ${resource.name}`, resource);
        for (const { type, name } of removed) joined.live.delete(`${type} ${name}`);
      },
    }),
  };
  const dial = (): ReturnType<typeof channelPair>[0] => {
    const [ours, theirs] = channelPair();
    controller.accept(theirs);
    return ours;
  };
  const link = keepConnected(joined.subscriber, { dial, random: Math.random, after: (ms, turn) => {
    const timer = setTimeout(turn, ms);
    return () => clearTimeout(timer);
  } });
  t.teardown(() => link.close());
  return joined;
}

function controllerFor(t: ExecutionContext, translated = translateInSteps): { readonly controller: Controller; readonly reports: Report[]; readonly failures: string[] } {
  const reports: Report[] = [];
  const failures: string[] = [];
  const controller = createController({
    translate: translated,
    addresses: { first: '127.0.0.1' },
    portOffset: 0,
    changed: (report) => reports.push(report),
    failed: (message) => failures.push(message),
  });
  t.teardown(() => controller.close());
  return { controller, reports, failures };
}

const settled = async (turns = 30): Promise<void> => {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('a gateway gets its own listeners with their tables, backends and endpoints, and follows changes', async (t) => {
  const { controller } = controllerFor(t);
  const joined = join(t, controller, gatewayNode);
  joined.subscriber.want('Listener', '*');
  controller.setState(stateFrom(gateway('a') + gateway('b') + route() + service + pod('p1', '127.0.9.1')));
  await settled();
  t.deepEqual([...joined.live.keys()].sort(), ['Backend shop/web:80', 'Endpoints shop/web:80', 'Listener shop/a/80', 'RouteTable listener/shop/a/http']);
  t.true(controller.progress().every(({ current }) => current));
  controller.setState(stateFrom(gateway('a') + gateway('b') + route() + service + pod('p1', '127.0.9.1') + pod('p2', '127.0.9.2')));
  await settled();
  const endpoints = joined.live.get('Endpoints shop/web:80');
  t.is(endpoints?.kind === 'Endpoints' ? endpoints.endpoints.length : 0, 2);
});

test('a sidecar gets the destinations that it asks for, and only tables of its own namespace', async (t) => {
  const { controller } = controllerFor(t);
  const joined = join(t, controller, sidecarNode);
  controller.setState(stateFrom(service + pod('p1', '127.0.9.1')));
  joined.subscriber.want('Destination', 'web.shop:80');
  joined.subscriber.want('Destination', 'example.com:443');
  joined.subscriber.want('RouteTable', 'service/shop/shop/web/80');
  await settled();
  const destination = joined.live.get('Destination web.shop:80');
  t.is(destination?.kind === 'Destination' && destination.target.kind === 'service' ? destination.target.routes : '', 'service/other/shop/web/80');
  t.true(joined.live.has('RouteTable service/other/shop/web/80'));
  const elsewhere = joined.live.get('Destination example.com:443');
  t.is(elsewhere?.kind === 'Destination' ? elsewhere.target.kind : '', 'passthrough');
  t.is(joined.subscriber.answered('RouteTable', 'service/shop/shop/web/80'), 'absent');
});

test('a private key reaches only the gateway whose listener names it', (t) => {
  const certificate = { kind: 'Certificate', name: 'shop/cert', chain: '', key: 'secret' } as const;
  const listener = { kind: 'Listener', name: 'shop/a/443', gateway: { kind: 'Gateway', namespace: 'shop', name: 'a' }, address: '127.0.0.1', port: 443, sections: [{ name: 's', hostname: '', protocol: 'HTTPS', certificates: ['shop/cert'], routes: 'x' }] } as const;
  const { snapshots } = translate(stateFrom(service), { gatewayAddresses: new Map(), portOffset: 0 });
  const current = { ...snapshots, listeners: new Map([['shop/a', [listener]]]), certificate: () => certificate };
  const sees = (node: ProxyNode): boolean => viewOf(node, () => current).find('Certificate', 'shop/cert') !== undefined;
  t.deepEqual([sees(gatewayNode), sees({ ...gatewayNode, name: 'b' }), sees({ ...sidecarNode, namespace: 'shop', name: 'a' })], [true, false, false]);
});

test('states set in one turn are translated once, and an equal translation sends nothing', async (t) => {
  let translations = 0;
  const { controller } = controllerFor(t, (state, environment) => {
    translations += 1;
    return translateInSteps(state, environment);
  });
  const joined = join(t, controller, gatewayNode);
  joined.subscriber.want('Listener', '*');
  for (let i = 1; i <= 20; i++) controller.setState(stateFrom(gateway('a') + route(i) + service));
  await settled();
  t.is(translations, 1);
  const { updates } = joined;
  controller.setState(stateFrom(gateway('a') + route(20) + service));
  await settled();
  t.deepEqual([translations, joined.updates], [2, updates]);
});

test('a state that comes while another is translated waits for it; its endpoints go out at once and stay', async (t) => {
  let goOn = 0;
  const { controller, reports } = controllerFor(t, function* (state, environment) {
    for (; goOn === 0; ) yield;
    goOn -= 1;
    return yield* translateInSteps(state, environment);
  });
  const joined = join(t, controller, gatewayNode);
  joined.subscriber.want('Listener', '*');
  const live = (): readonly unknown[] => {
    const [table, endpoints] = [joined.live.get('RouteTable listener/shop/a/http'), joined.live.get('Endpoints shop/web:80')];
    return [/"weight":(\d+)/.exec(JSON.stringify(table))?.[1], endpoints?.kind === 'Endpoints' ? endpoints.endpoints.map(({ address }) => address) : undefined];
  };
  const state = (weight: number, address: string): ClusterState => stateFrom(gateway('a') + route(weight) + service + pod('p1', address));
  goOn = 1;
  controller.setState(state(1, '127.0.9.1'));
  await settled();
  t.deepEqual(live(), ['1', ['127.0.9.1']]);
  const second = state(2, '127.0.9.1');
  controller.setState(second);
  await settled();
  controller.setState({ ...second, pods: state(2, '127.0.9.2').pods });
  await settled();
  t.deepEqual(live(), ['1', ['127.0.9.2']], 'while the second state is translated');
  controller.setState({ ...second, pods: state(2, '127.0.9.3').pods, httpRoutes: state(3, '127.0.9.3').httpRoutes });
  goOn = 1;
  await settled();
  t.deepEqual(live(), ['2', ['127.0.9.3']], 'the second state has come, with the newest endpoints');
  t.is(reports.at(-1)?.state, second);
  goOn = 1;
  await settled();
  t.deepEqual(live(), ['3', ['127.0.9.3']], 'the last one is not lost');
  t.is(reports.length, 3);
});

test('a version says what is in a table, however it was made', (t) => {
  const table = (routes: number, weight = 1): RouteTable => ({
    kind: 'RouteTable', name: 'listener/shop/a/http', policies: [],
    routes: Array.from({ length: routes }, (_, index) => ({ ref: { kind: 'HTTPRoute', namespace: 'shop', name: `r${index}` }, createdAt: 0, hostnames: [], rules: [{ index: 0, matches: [], filters: [], backends: [{ index: 0, target: { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'web' }, port: 80, backend: 'shop/web:80' }, weight: index === 0 ? weight : 1, filters: [] }] }] })) as RouteTable['routes'],
  });
  const one = publish(table(250));
  t.deepEqual(publish(table(250)), one);
  t.deepEqual(runSteps(publishInSteps(table(250))), one);
  t.deepEqual((JSON.parse(one.encoded) as VersionedResource).resource, table(250));
  const versions = [one, publish(table(250, 2)), publish(table(249)), publish({ ...table(250), name: 'x' }), publish({ ...table(250), routes: table(250).routes.toReversed() })].map(({ version }) => version);
  t.is(new Set(versions).size, versions.length);
});

test('a socket that can not be bound makes listener and Gateway not programmed, until it can', async (t) => {
  const { controller, reports } = controllerFor(t);
  const joined = join(t, controller, gatewayNode);
  joined.subscriber.want('Listener', '*');
  controller.setState(stateFrom(gateway('a') + route() + service));
  await settled();
  const programmed = (): string => {
    const status = reports.at(-1)?.statuses.find(({ kind }) => kind === 'Gateway')?.status as { conditions: { type: string; status: string; reason: string; message: string }[] };
    const { status: value, reason } = status.conditions.find(({ type }) => type === 'Programmed')!;
    return `${value} ${reason}`;
  };
  t.is(programmed(), 'True Programmed');
  joined.subscriber.report('Listener', new Map([['shop/a/80', 'EADDRNOTAVAIL: no such address']]));
  await settled();
  t.is(programmed(), 'False AddressNotUsable');
  t.true(reports.at(-1)?.problems.some(({ message, object }) => message.includes('no such address') && object.name === 'a'));
  joined.subscriber.report('Listener', new Map());
  await settled();
  t.is(programmed(), 'True Programmed');
});

test('a table that the proxy refuses shows on its listener; the proxy goes on with the last good one', async (t) => {
  const { controller, reports } = controllerFor(t);
  const joined = join(t, controller, gatewayNode, (resource) => (JSON.stringify(resource).includes('"weight":13') ? 'unlucky' : undefined));
  joined.subscriber.want('Listener', '*');
  controller.setState(stateFrom(gateway('a') + route(1) + service));
  await settled();
  const good = joined.live.get('RouteTable listener/shop/a/http');
  controller.setState(stateFrom(gateway('a') + route(13) + service));
  await settled();
  t.is(joined.live.get('RouteTable listener/shop/a/http'), good);
  t.true(JSON.stringify(reports.at(-1)?.statuses).includes('unlucky'));
});

test('what a proxy of another replica refuses shows as well, until that proxy comes here or the other replica takes it back', async (t) => {
  const { controller, reports } = controllerFor(t);
  const told = (): boolean => JSON.stringify(reports.at(-1)?.statuses).includes('EACCES');
  controller.setState(stateFrom(gateway('a') + route() + service));
  await settled();
  const refusal = { proxy: gatewayNode, type: 'RouteTable', name: 'listener/shop/a/http', reason: 'EACCES' } as const;
  controller.hear({ rejections: [refusal] });
  await settled();
  t.true(told());
  t.deepEqual(reports.at(-1)?.own, []);
  controller.hear({ rejections: [] });
  await settled();
  t.false(told());
  controller.hear({ rejections: [refusal] });
  await settled();
  t.true(told());
  const joined = join(t, controller, gatewayNode);
  joined.subscriber.want('Listener', '*');
  controller.setState(stateFrom(gateway('a') + route(2) + service));
  await settled();
  t.false(told());
});

test('a translation that fails leaves the last good one in force', async (t) => {
  let broken = false;
  const { controller, failures } = controllerFor(t, (state, environment) => {
    if (broken) throw new Error('a bug');
    return translateInSteps(state, environment);
  });
  const joined = join(t, controller, gatewayNode);
  joined.subscriber.want('Listener', '*');
  controller.setState(stateFrom(gateway('a') + route() + service));
  await settled();
  broken = true;
  controller.setState(stateFrom(gateway('b')));
  await settled();
  t.is(joined.live.size, 4);
  t.regex(failures[0] ?? '', /a bug/);
});

test('where one proxy can not be sent something, the others are, and it is when that can be made again', async (t) => {
  let broken = false;
  const { controller, failures } = controllerFor(t, function* (state, environment) {
    const translation = yield* translateInSteps(state, environment);
    const listeners = new Map(translation.snapshots.listeners);
    const get = (name: string): ReturnType<typeof listeners.get> => {
      if (broken && name === 'shop/a') throw new Error('a bug');
      return translation.snapshots.listeners.get(name);
    };
    return { ...translation, snapshots: { ...translation.snapshots, listeners: Object.assign(listeners, { get }) } };
  });
  const both = [gatewayNode, { ...gatewayNode, id: 'gateway/shop/b/1', name: 'b' }].map((node) => join(t, controller, node));
  for (const { subscriber } of both) subscriber.want('Listener', '*');
  const state = (port: number): ClusterState => stateFrom(['a', 'b'].map((name) => gateway(name).replace('port: 80', `port: ${port}`)).join(''));
  const ports = (): readonly unknown[] => both.map(({ live }) => [...live.keys()].find((key) => key.startsWith('Listener'))?.split('/').at(-1));
  controller.setState(state(80));
  await settled();
  broken = true;
  controller.setState(state(81));
  await settled();
  t.deepEqual(ports(), ['80', '81']);
  t.regex(failures[0] ?? '', /a bug/);
  broken = false;
  controller.setState(state(82));
  await settled();
  t.deepEqual(ports(), ['82', '82']);
});

test('who asks is answered while another is being sent something long, and that one in the order in which it asks', async (t) => {
  const sessions = new Sessions({ changed: () => {}, refused: (reason) => t.fail(reason), failed: (message) => t.fail(message) });
  const { snapshots } = translateYaml(service);
  const answers: string[] = [];
  const open = (name: string): ReturnType<typeof channelPair>[0] => {
    const [ours, theirs] = channelPair();
    sessions.accept(theirs);
    ours.onMessage((message) => {
      const { nonce, resources } = JSON.parse(message) as { readonly nonce: string; readonly resources: readonly { readonly name: string }[] };
      answers.push(`${name} ${resources.length === 1 ? resources[0]?.name : resources.length}`);
      ours.send(JSON.stringify({ type: 'Destination', subscribe: [], unsubscribe: [], nonce }));
    });
    return ours;
  };
  const ask = (channel: ReturnType<typeof open>, pod: string, names: readonly string[]): void => channel.send(JSON.stringify({ node: { ...sidecarNode, id: `sidecar/other/${pod}`, name: pod }, type: 'Destination', subscribe: names, unsubscribe: [] }));
  const [long, other] = [open('long'), open('other')];
  sessions.push(snapshots);
  ask(long, 'long', Array.from({ length: 3000 }, (_, index) => `h${index}.example.com:80`));
  ask(other, 'other', ['a.example.com:80']);
  await settled(400);
  t.deepEqual(answers.splice(0), ['long 3000', 'other a.example.com:80']);
  sessions.push(snapshots);
  ask(long, 'long', ['b.example.com:80']);
  ask(long, 'long', ['c.example.com:80']);
  ask(other, 'other', ['d.example.com:80']);
  await settled(20);
  t.deepEqual(answers, ['other d.example.com:80']);
  t.false(sessions.current(), 'what was asked may not have been read yet');
  await settled(800);
  t.true(sessions.current());
  t.deepEqual(answers, ['other d.example.com:80', 'long b.example.com:80', 'long c.example.com:80']);
  sessions.close();
});

test('who sends without end and waits for nothing is turned away', async (t) => {
  const refused: string[] = [];
  const sessions = new Sessions({ changed: () => {}, refused: (reason) => refused.push(reason), failed: (message) => t.fail(message) });
  sessions.push(translateYaml(service).snapshots);
  const [ours, theirs] = channelPair();
  sessions.accept(theirs);
  const names = Array.from({ length: 1500 }, (_, index) => `h${index}.example.com:80`.padStart(900, 'x'));
  const message = JSON.stringify({ node: sidecarNode, type: 'Destination', subscribe: names, unsubscribe: [] });
  for (let sent = 0; sent < 80; sent++) ours.send(message);
  await settled(200);
  t.deepEqual(refused, ['more than 67108864 characters wait to be read']);
  sessions.close();
});

test('a peer that breaks the protocol is turned away, and the others go on', async (t) => {
  const { controller, failures } = controllerFor(t);
  const [ours, theirs] = channelPair();
  controller.accept(theirs);
  let closed = false;
  ours.onClose(() => (closed = true));
  ours.send('{"type":"Listener","subscribe":["*"],"unsubscribe":[]}');
  await settled();
  t.true(closed);
  t.is(failures[0], 'the session of a proxy was ended: the first request has no node');
});

test('addresses: in the order of names, kept while running, wishes honoured', (t) => {
  const range = { first: '127.0.0.1' };
  const entries = (map: ReadonlyMap<string, readonly string[]>): unknown => Object.fromEntries(map);
  const first = assignAddresses(stateFrom(gateway('b') + gateway('d')), range, new Map());
  t.deepEqual(entries(first), { 'shop/b': ['127.0.0.1'], 'shop/d': ['127.0.0.2'] });
  const more = assignAddresses(stateFrom(gateway('a') + gateway('b') + gateway('c', '  addresses: [{ value: 127.0.0.3 }]\n') + gateway('d')), range, first);
  t.deepEqual(entries(more), { 'shop/c': ['127.0.0.3'], 'shop/b': ['127.0.0.1'], 'shop/d': ['127.0.0.2'], 'shop/a': ['127.0.0.4'] });
  const fewer = assignAddresses(stateFrom(gateway('d') + gateway('e')), range, more);
  t.deepEqual(entries(fewer), { 'shop/d': ['127.0.0.2'], 'shop/e': ['127.0.0.1'] });
  const six = { first: 'fd00::ffff' };
  const found = assignAddresses(stateFrom(gateway('a') + gateway('b') + gateway('c', '  addresses: [{ value: "FD00:0::1:0" }]\n')), six, first);
  t.deepEqual(entries(found), { 'shop/c': ['fd00::1:0'], 'shop/a': ['fd00::ffff'], 'shop/b': ['fd00::1:1'] });
  t.deepEqual(entries(assignAddresses(stateFrom(gateway('b')), six, found)), { 'shop/b': ['fd00::1:1'] });
});

test('injection: by namespace or Pod, and the Pod has the last word', (t) => {
  const word = (label: string): string => (label === '' ? '' : `labels: { weft-mesh.io/inject: ${label} }`);
  const injected = (namespace: string, own: string): boolean => {
    const state = stateFrom(`apiVersion: v1\nkind: Namespace\nmetadata: { name: n, ${word(namespace)} }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: p, namespace: n, ${word(own)} }\nspec: { containers: [{ name: c }] }\n`);
    return isInjected(state, state.pods.get('n/p')!);
  };
  t.deepEqual([injected('enabled', ''), injected('enabled', 'disabled'), injected('', 'enabled'), injected('', ''), injected('disabled', 'enabled')], [true, false, true, false, true]);
});

test('a condition keeps its time while its status stays, wherever it stands', (t) => {
  const status = (value: string, message: string): Parameters<typeof stampTimes>[0] => [
    { apiVersion: 'v1', kind: 'HTTPRoute', namespace: 'n', name: 'r', status: { parents: [{ parentRef: { name: 'g' }, controllerName: 'c', conditions: [{ type: 'Accepted', status: value, reason: 'R', message }] }] } },
  ];
  const time = (stamped: ReturnType<typeof stampTimes>): unknown => (stamped[0]!.status as { parents: { conditions: { lastTransitionTime: string }[] }[] }).parents[0]?.conditions[0]?.lastTransitionTime;
  const first = stampTimes(status('True', 'a'), [], 't1');
  const second = stampTimes(status('True', 'b'), first, 't2');
  t.deepEqual([time(first), time(second), time(stampTimes(status('False', 'b'), second, 't3'))], ['t1', 't1', 't3']);
});
