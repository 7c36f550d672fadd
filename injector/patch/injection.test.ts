import test from 'ava';
import fc from 'fast-check';
import { applyOperations, defaultInjection, injectionFor, readInjectionConfig, type Injection } from '../index.ts';
import type { Json } from './types.ts';

const shop = { name: 'shop', labels: { 'weft-mesh.io/inject': 'enabled' } };

interface Draft {
  readonly metadata?: Json;
  readonly spec?: Json;
}

function pod({ metadata = {}, spec = {} }: Draft = {}): Json {
  return { metadata: { name: 'web', ...metadata }, spec: { containers: [{ name: 'web', image: 'web' }], ...spec } };
}

function annotated(annotations: Record<string, string>): Json {
  return pod({ metadata: { annotations } });
}

const inject = (object: unknown, namespace: { name: string; labels?: Record<string, string> } = shop): Injection => injectionFor(object, namespace, defaultInjection);

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: { readonly runAsUser: number; readonly runAsNonRoot: boolean; readonly capabilities: unknown };
  readonly restartPolicy?: string;
  readonly resources: unknown;
}

function injected(object: Json): { readonly metadata: { readonly labels: Json }; readonly spec: { readonly initContainers: readonly Container[]; readonly volumes: readonly { readonly name: string }[] } } {
  const injection = inject(object);
  if (injection.kind !== 'patch') throw new Error(JSON.stringify(injection));
  return applyOperations(object, injection.operations) as never;
}

function variable(object: Json, name: string): string | undefined {
  return injected(object).spec.initContainers[1]!.env.find((entry) => entry.name === name)?.value;
}

const refusal = (object: unknown): string => {
  const injection = inject(object);
  return injection.kind === 'refuse' ? injection.message : injection.kind;
};

test('the redirection and the sidecar come before every other init container', (t) => {
  const { spec } = injected(pod({ spec: { initContainers: [{ name: 'migrate' }] } }));
  t.deepEqual(spec.initContainers.map(({ name, restartPolicy }) => [name, restartPolicy]), [['weft-init', undefined], ['weft-proxy', 'Always'], ['migrate', undefined]]);
});

test('only the init container has a capability, and only NET_ADMIN; the sidecar is not root', (t) => {
  const [init, proxy] = injected(pod()).spec.initContainers;
  t.deepEqual(init!.securityContext.capabilities, { drop: ['ALL'], add: ['NET_ADMIN'] });
  t.deepEqual(proxy!.securityContext.capabilities, { drop: ['ALL'] });
  t.like(proxy!.securityContext, { runAsUser: 1371, runAsNonRoot: true });
});

test('what the Pod had stays, and it is marked', (t) => {
  const original = pod({ metadata: { labels: { app: 'web' }, annotations: { 'example.com/x': 'y' } }, spec: { volumes: [{ name: 'data', emptyDir: {} }], nodeSelector: { a: 'b' } } });
  const result = injected(original);
  t.deepEqual(result.metadata.labels, { app: 'web', 'weft-mesh.io/injected': 'true' });
  t.deepEqual(result.spec.volumes[0], { name: 'data', emptyDir: {} } as never);
  t.like(result, { metadata: { annotations: { 'example.com/x': 'y' } }, spec: { nodeSelector: { a: 'b' }, containers: [{ name: 'web', image: 'web' }] } } as never);
});

test("the Pod's own label counts, then the namespace's; namespaces of the system get nothing", (t) => {
  const label = (word: string) => pod({ metadata: { labels: { 'weft-mesh.io/inject': word } } });
  const plain = { name: 'plain' };
  const cases: readonly [Json, { name: string; labels?: Record<string, string> }, Injection['kind']][] = [
    [pod(), shop, 'patch'],
    [pod(), plain, 'skip'],
    [pod(), { name: 'off', labels: { 'weft-mesh.io/inject': 'disabled' } }, 'skip'],
    [label('enabled'), plain, 'patch'],
    [label('disabled'), shop, 'skip'],
    [label('true'), shop, 'refuse'],
    [label('enabled'), { ...shop, name: 'kube-system' }, 'skip'],
    [label('enabled'), { ...shop, name: 'weft-system' }, 'skip'],
    [pod({ spec: { hostNetwork: true } }), plain, 'skip'],
  ];
  t.deepEqual(cases.map(([object, namespace]) => inject(object, namespace).kind), cases.map(([, , kind]) => kind));
});

test('what can have no sidecar is refused with the way out', (t) => {
  const wayOut = '. To run the Pod without a sidecar, give it the label weft-mesh.io/inject=disabled';
  const containers = (container: Json): Json => pod({ spec: { containers: [{ name: 'web', ...container }] } });
  const cases: readonly [Json, string][] = [
    [pod({ spec: { hostNetwork: true } }), "hostNetwork: a Pod on its node's network can't have a sidecar, which would take over the traffic of the node"],
    [pod({ spec: { os: { name: 'windows' } } }), 'os.name: a sidecar needs linux, not "windows"'],
    [containers({ name: 'weft-proxy' }), "container weft-proxy: that name is the sidecar's"],
    [pod({ spec: { initContainers: [{ name: 'weft-init' }] } }), "container weft-init: that name is the sidecar's"],
    [containers({ ports: [{ containerPort: 15006 }] }), "container web: port 15006 is the sidecar's; it takes 15001, 15006, 15020"],
    [containers({ securityContext: { runAsUser: 1371 } }), "container web: user 1371 is the sidecar's, whose traffic is not taken over; choose another"],
    [pod({ spec: { securityContext: { runAsUser: 1371 } } }), "securityContext.runAsUser: user 1371 is the sidecar's, whose traffic is not taken over; choose another"],
    [pod({ spec: { volumes: [{ name: 'weft-token' }] } }), "volume weft-token: that name is the sidecar's"],
  ];
  for (const [object, message] of cases) t.is(refusal(object), message + wayOut);
  t.is(inject(containers({ ports: [{ containerPort: 15006, protocol: 'UDP' }] })).kind, 'patch');
});

test('an unknown or malformed annotation is refused', (t) => {
  const cases: readonly [Record<string, string>, string][] = [
    [{ 'weft-mesh.io/proxy-image': 'x' }, 'annotation "weft-mesh.io/proxy-image" is unknown; there are weft-mesh.io/exclude-outbound-ports, weft-mesh.io/exclude-inbound-ports, weft-mesh.io/log-level, weft-mesh.io/termination-delay, weft-mesh.io/cpu-request, weft-mesh.io/cpu-limit, weft-mesh.io/memory-request, weft-mesh.io/memory-limit'],
    [{ 'weft-mesh.io/inject': 'enabled' }, 'weft-mesh.io/inject is a label, not an annotation'],
    [{ 'weft-mesh.io/exclude-outbound-ports': '3306,abc' }, 'annotation weft-mesh.io/exclude-outbound-ports: "abc" must be a port from 1 to 65535 or a range such as 8000-8010'],
    [{ 'weft-mesh.io/exclude-inbound-ports': '70000' }, 'annotation weft-mesh.io/exclude-inbound-ports: "70000" must be a port from 1 to 65535 or a range such as 8000-8010'],
    [{ 'weft-mesh.io/exclude-inbound-ports': '9-8' }, 'annotation weft-mesh.io/exclude-inbound-ports: "9-8" must be a port from 1 to 65535 or a range such as 8000-8010'],
    [{ 'weft-mesh.io/log-level': 'loud' }, 'annotation weft-mesh.io/log-level: "loud" must be one of error, warn, info, debug'],
    [{ 'weft-mesh.io/termination-delay': '5' }, 'annotation weft-mesh.io/termination-delay: "5" must be seconds from 0s to 600s, such as 10s'],
    [{ 'weft-mesh.io/termination-delay': '601s' }, 'annotation weft-mesh.io/termination-delay: "601s" must be seconds from 0s to 600s, such as 10s'],
    [{ 'weft-mesh.io/cpu-limit': '-1' }, 'annotation weft-mesh.io/cpu-limit: "-1" must be an amount such as 100m or 128Mi'],
    [{ 'weft-mesh.io/memory-request': '1Gi' }, 'annotations weft-mesh.io/memory-request and weft-mesh.io/memory-limit: the sidecar would request 1Gi of memory and be limited to 256Mi'],
  ];
  for (const [annotations, message] of cases) t.is(refusal(annotated(annotations)), message);
});

test('annotations choose ports, log level and resources', (t) => {
  const object = annotated({ 'weft-mesh.io/exclude-outbound-ports': '3306, 8000-8010', 'weft-mesh.io/exclude-inbound-ports': '9000', 'weft-mesh.io/log-level': 'debug', 'weft-mesh.io/cpu-limit': '1', 'weft-mesh.io/memory-limit': '0.5Gi' });
  const [init, proxy] = injected(object).spec.initContainers;
  t.deepEqual(init!.args, ['/weft/redirect.js', '--uid=1371', '--outbound=15001', '--inbound=15006', '--exclude-inbound=15020,9000', '--exclude-outbound=3306,8000:8010']);
  t.is(variable(object, 'WEFT_LOG_LEVEL'), 'debug');
  t.deepEqual(proxy!.resources, { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '1', memory: '0.5Gi' } });
});

test('traces go to the collector of the installation, where it names one', (t) => {
  t.is(variable(pod(), 'OTEL_EXPORTER_OTLP_ENDPOINT'), undefined);
  const tracing = { endpoint: 'http://collector.monitoring:4318', sample: 0.1 };
  const injection = injectionFor(pod(), shop, { ...defaultInjection, tracing });
  if (injection.kind !== 'patch') throw new Error(injection.kind);
  const { env } = (applyOperations(pod(), injection.operations) as unknown as ReturnType<typeof injected>).spec.initContainers[1]!;
  t.deepEqual(env.slice(-2), [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: tracing.endpoint }, { name: 'WEFT_TRACE_SAMPLE', value: '0.1' }]);
});

test('secrets for pulling the images are added to those of the Pod, once', (t) => {
  const config = { ...defaultInjection, pullSecrets: ['registry', 'other'] };
  const secrets = (object: Json): unknown => {
    const injection = injectionFor(object, shop, config);
    if (injection.kind !== 'patch') return injection;
    const made = applyOperations(object, injection.operations) as { spec: { imagePullSecrets?: unknown } };
    t.is(injectionFor(made, shop, config).kind, 'skip');
    return made.spec.imagePullSecrets;
  };
  t.deepEqual(secrets(pod()), [{ name: 'registry' }, { name: 'other' }]);
  t.deepEqual(secrets(pod({ spec: { imagePullSecrets: [{ name: 'mine' }, { name: 'other' }] } })), [{ name: 'mine' }, { name: 'other' }, { name: 'registry' }]);
  t.like(secrets(pod({ spec: { imagePullSecrets: 'mine' } })), { kind: 'refuse' });
  t.false(JSON.stringify(injected(pod())).includes('imagePullSecrets'));
});

test('an installation whose sidecar would request more than its limit is refused as a whole, not Pod by Pod', (t) => {
  const read = (resources: object): unknown => readInjectionConfig({ ...defaultInjection, proxyResources: resources });
  t.deepEqual(read({ requests: { memory: '64Mi' }, limits: { memory: '32Mi' } }), { ok: false, error: ['proxyResources: 64Mi of memory are requested, 32Mi is the limit'] });
  t.like(read({ requests: { cpu: '1', memory: '64Mi' }, limits: { cpu: '1000m' } }), { ok: true });
});

test('raw socket I/O where the installation asks for it', (t) => {
  t.is(variable(pod(), 'WEFT_SOCKET_IO'), undefined);
  const injection = injectionFor(pod(), shop, { ...defaultInjection, socketIO: 'raw' });
  if (injection.kind !== 'patch') throw new Error(injection.kind);
  const { env } = (applyOperations(pod(), injection.operations) as unknown as ReturnType<typeof injected>).spec.initContainers[1]!;
  t.deepEqual(env.find(({ name }) => name === 'WEFT_SOCKET_IO'), { name: 'WEFT_SOCKET_IO', value: 'raw' });
});

test("the sidecar drains for the Pod's grace", (t) => {
  t.is(variable(pod(), 'WEFT_DRAIN_SECONDS'), '30');
  t.is(variable(pod({ spec: { terminationGracePeriodSeconds: 120 } }), 'WEFT_DRAIN_SECONDS'), '120');
});

test('containers go on serving for a moment when the Pod ends, unless they say how they end', (t) => {
  const endings = (spec: Json, annotations: Record<string, string> = {}): unknown =>
    (injected(pod({ metadata: { annotations }, spec })) as unknown as { spec: { containers: readonly Json[] } }).spec.containers.map(({ lifecycle }) => lifecycle);
  const sleep = (seconds: number) => ({ preStop: { sleep: { seconds } } });
  const own = { preStop: { exec: { command: ['/bin/wait'] } } };
  const postStart = { httpGet: { port: 80 } };
  t.deepEqual(endings({}), [sleep(5)]);
  t.deepEqual(endings({ containers: [{ name: 'a' }, { name: 'b', lifecycle: own }, { name: 'c', lifecycle: { postStart } }] }), [sleep(5), own, { postStart, ...sleep(5) }]);
  t.deepEqual(endings({}, { 'weft-mesh.io/termination-delay': '12s' }), [sleep(12)]);
  t.deepEqual(endings({}, { 'weft-mesh.io/termination-delay': '0s' }), [undefined]);
  // Half of the grace is the application's.
  t.deepEqual(endings({ terminationGracePeriodSeconds: 7 }), [sleep(3)]);
  t.deepEqual(endings({ terminationGracePeriodSeconds: 1 }), [undefined]);
  // To a Job's Pod no Service sends.
  t.deepEqual(endings({ restartPolicy: 'OnFailure' }), [undefined]);
  t.is(injectionFor(pod(), shop, { ...defaultInjection, terminationDelaySeconds: 0 }).kind, 'patch');
});

test('a Pod that has its sidecar is left alone; one whose sidecar was moved or changed is mended', (t) => {
  const once = injected(pod({ spec: { initContainers: [{ name: 'migrate' }] } })) as unknown as { metadata: Json; spec: { initContainers: readonly Json[] } };
  t.deepEqual(inject(once), { kind: 'skip', reason: 'the Pod has its sidecar' });
  // The API server's defaults do not count as a change.
  const defaulted = { ...once, spec: { ...once.spec, initContainers: once.spec.initContainers.map((container) => ({ ...container, terminationMessagePath: '/dev/termination-log' })) } };
  t.is(inject(defaulted).kind, 'skip');
  const moved = { ...once, spec: { ...once.spec, initContainers: once.spec.initContainers.toReversed() } };
  const injection = inject(moved);
  t.is(injection.kind, 'patch');
  if (injection.kind === 'patch') t.deepEqual(applyOperations(moved, injection.operations), once);
});

test('what is no Pod is refused with the place of the fault', (t) => {
  t.is(refusal(undefined), 'the Pod: must be an object, but is nothing');
  t.is(refusal({ spec: { containers: [{ name: 7 }] } }), 'spec.containers[0].name: must be a string, but is the number 7; put it in quotes');
  t.is(refusal({ metadata: {}, spec: {} }), 'spec.containers: is required; add it');
});

test('property: any JSON gets an answer, and an injected Pod needs nothing more', (t) => {
  const anything = fc.jsonValue({ maxDepth: 4 });
  fc.assert(fc.property(anything, (object) => ['patch', 'skip', 'refuse'].includes(inject(object).kind)));
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { maxLength: 4 });
  fc.assert(
    fc.property(names, names, fc.option(anything, { nil: undefined }), (inits, volumes, extra) => {
      const object = pod({ spec: { extra, initContainers: inits.map((name) => ({ name })), volumes: volumes.map((name) => ({ name, emptyDir: {} })) } });
      return inject(injected(object)).kind === 'skip';
    }),
  );
  t.pass();
});
