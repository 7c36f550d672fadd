import test from 'ava';
import fc from 'fast-check';
import { builtInKinds, positionOf, readManifests, type FieldPath, type Manifests, type Service } from '../index.ts';

const read = (text: string, file = 'a.yaml'): Manifests => readManifests([{ file, text }], builtInKinds);
const report = ({ problems }: Manifests): string[] => problems.map(({ source, reason, message }) => `${source.file}:${source.line}:${source.column} ${reason} ${message}`);

const sample = `# first comes a comment
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
---
# another
apiVersion: v1
kind: Service
metadata:
  name: cart
  namespace: shop
spec:
  selector: {app: cart}
  ports:
  - port: 80
    appProtocol: http
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: cart
  namespace: shop
spec:
  rules:
    - matches:
        - path:
            value: /cart
      backendRefs:
        - name: cart
          port: 80
        - {name: cart-v2, port: 80, weight: 5}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {replicas: 1}
---
kind: List
apiVersion: v1
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: one}
  - apiVersion: v1
    kind: ServiceAccount
    metadata: {name: two}
`;

test('every object of a file is read, with its position; unknown kinds are named', (t) => {
  const { objects, problems, ignored } = read(sample);
  t.deepEqual(problems, []);
  t.deepEqual(
    objects.map(({ kind, metadata, source }) => [kind, metadata.namespace, metadata.name, source?.line, source?.column]),
    [
      ['Namespace', '', 'shop', 2, 1],
      ['Service', 'shop', 'cart', 8, 1],
      ['HTTPRoute', 'shop', 'cart', 19, 1],
      ['ConfigMap', 'default', 'one', 42, 5],
    ],
  );
  t.deepEqual(ignored, [
    { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'shop', name: 'cart', source: { file: 'a.yaml', line: 34, column: 1 } },
    { apiVersion: 'v1', kind: 'ServiceAccount', namespace: '', name: 'two', source: { file: 'a.yaml', line: 45, column: 5 } },
  ]);
});

test('the position of any field; of a default, that of what is around it', (t) => {
  const { objects } = read(sample);
  const [, service, route, config] = objects;
  const at = (object: typeof service, path: FieldPath): string => {
    const position = object === undefined ? undefined : positionOf(object, path);
    return `${position?.line}:${position?.column}`;
  };
  t.is(at(service, ['spec', 'ports', 0]), '16:5');
  t.is(at(service, ['spec', 'ports', 0, 'appProtocol']), '17:5');
  t.is(at(service, ['spec', 'ports', 0, 'targetPort']), '16:5');
  t.is(at(service, ['spec', 'selector', 'app']), '14:14');
  t.is(at(route, ['spec', 'rules', 0, 'matches', 0, 'path', 'value']), '28:13');
  t.is(at(route, ['spec', 'rules', 0, 'matches', 0, 'path', 'type']), '27:11');
  t.is(at(route, ['spec', 'rules', 0, 'backendRefs', 1]), '32:11');
  t.is(at(route, ['spec', 'rules', 0, 'backendRefs', 1, 'weight']), '32:37');
  t.is(at(route, []), '19:1');
  t.is(at(config, ['metadata', 'name']), '44:16');
  t.is(positionOf({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: '', name: '' } }, []), undefined);
});

test('a fault costs one object only, and has its place', (t) => {
  const good = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n';
  const manifests = readManifests(
    [
      { file: 'a.yaml', text: `${good}---\nkind: {{ .Values.kind }}\n---\n${good.replace('a}', 'b}')}` },
      { file: 'b.yaml', text: `apiVersion: v1\nkind: Service\nmetadata:\n  name: x\nspec:\n  ports:\n  - port: http\n---\n${good.replace('a}', 'c}')}` },
      { file: 'c.yaml', text: 'apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n  name: y\n' },
      { file: 'd.yaml', text: 'a: [1\nb: 2\n' },
      { file: 'e.yaml', text: 'just text' },
      { file: 'f.yaml', text: '- apiVersion: v1\n' },
      { file: 'g.yaml', text: 'apiVersion: gateway.networking.k8s.io/v1\nkind: HttpRoute\nmetadata: {name: x}\n' },
      { file: 'h.yaml', text: 'apiVersion: gateway.networking.k8s.io/v2\nkind: HTTPRoute\nmetadata: {name: x}\n' },
      { file: 'i.yaml', text: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: !thing x}\n' },
    ],
    builtInKinds,
  );
  t.deepEqual(manifests.objects.map(({ metadata }) => metadata.name), ['a', 'b', 'c']);
  const lines = report(manifests);
  t.true(lines.some((line) => line.startsWith('a.yaml:5:8 SyntaxError a key must be a string')), lines.join('\n'));
  t.true(lines.includes('b.yaml:7:5 InvalidObject Service x: spec.ports[0].port: must be a number, but is the string "http"'), lines.join('\n'));
  t.true(lines.includes('c.yaml:5:3 SyntaxError the key "name" occurs twice; remove one'), lines.join('\n'));
  t.true(lines.some((line) => /^d\.yaml:\d+:\d+ SyntaxError/.test(line)), lines.join('\n'));
  t.true(lines.includes('e.yaml:1:1 InvalidObject must be an object with apiVersion, kind and metadata'), lines.join('\n'));
  t.true(lines.includes('f.yaml:1:1 InvalidObject must be an object with apiVersion, kind and metadata'), lines.join('\n'));
  t.true(lines.includes('g.yaml:2:1 UnknownKind HttpRoute x: kind: HttpRoute is not a kind of gateway.networking.k8s.io/v1; did you mean HTTPRoute?'), lines.join('\n'));
  t.true(lines.some((line) => line.startsWith('h.yaml:1:1 UnknownVersion HTTPRoute x: apiVersion: gateway.networking.k8s.io/v2 is not')), lines.join('\n'));
  t.true(lines.some((line) => line.startsWith('i.yaml:4:11 SyntaxError Unresolved tag')), lines.join('\n'));
});

test('a kind of ours under a group that has none of that name is a problem; under the group of somebody else it is theirs', (t) => {
  const named = (apiVersion: string, kind: string): string => `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\nspec: {}\n`;
  const manifests = read([named('networking.k8s.io/v1', 'HTTPRoute'), named('networking.istio.io/v1', 'Gateway'), named('serving.knative.dev/v1', 'Service')].join('---\n'));
  t.deepEqual(report(manifests), ['a.yaml:1:1 UnknownKind HTTPRoute x: apiVersion: networking.k8s.io/v1 has no kind HTTPRoute; use gateway.networking.k8s.io/v1']);
  t.deepEqual(manifests.ignored.map(({ kind }) => kind), ['Gateway', 'Service']);
});

test('two objects with one name are a problem that names both places; the first one stays', (t) => {
  const service = (apiVersion: string): string => `apiVersion: gateway.networking.k8s.io/${apiVersion}\nkind: HTTPRoute\nmetadata: {name: x}\nspec: {}\n`;
  const manifests = readManifests([{ file: 'a.yaml', text: `---\n${service('v1')}` }, { file: 'b.yaml', text: service('v1beta1') }], builtInKinds);
  t.is(manifests.objects.length, 1);
  t.deepEqual(report(manifests), ['b.yaml:1:1 Duplicate HTTPRoute x occurs twice, first in a.yaml:2:1; remove one']);
});

test('JSON is read too, also indented with tabs, and lists of one kind', (t) => {
  const list = { apiVersion: 'v1', kind: 'ServiceList', items: [{ metadata: { name: 'a' }, spec: { clusterIP: 'None' } }, { metadata: { name: 'b' }, spec: { ports: [{ port: 80 }] } }] };
  const { objects, problems } = read(JSON.stringify(list, null, '\t'), 'a.json');
  t.deepEqual(problems, []);
  t.deepEqual(objects.map(({ apiVersion, kind, metadata, source }) => [apiVersion, kind, metadata.name, source?.line, source?.column]), [
    ['v1', 'Service', 'a', 5, 3],
    ['v1', 'Service', 'b', 13, 3],
  ]);
  t.deepEqual(positionOf(objects[1] as Service, ['spec', 'ports', 0, 'port']), { file: 'a.json', line: 20, column: 7 });
});

test("YAML means what it means to kubectl: 1.1's booleans, octal numbers and merge keys, no times and no base 60", (t) => {
  const { objects, problems } = read(
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 12:30:45, b: 2026-01-31, c: y, d: "on"}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  publishNotReadyAddresses: yes\n  ports: [{name: o, port: 0x50}, {<<: &p {name: p, port: 010}, targetPort: 9}]\n',
  );
  t.deepEqual(problems, []);
  t.deepEqual((objects[0] as unknown as { data: unknown }).data, { a: '12:30:45', b: '2026-01-31', c: 'y', d: 'on' });
  const { spec } = objects[1] as Service;
  t.true(spec.publishNotReadyAddresses);
  t.deepEqual(spec.ports.map(({ name, port, targetPort }) => [name, port, targetPort]), [['o', 80, 80], ['p', 8, 9]]);
});

test('aliases share values, and objects made from them stay apart', (t) => {
  const text = 'apiVersion: v1\nkind: List\nitems:\n- &a {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: &d {k: v}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}, stringData: *d}\n';
  const { objects, problems } = read(text);
  t.deepEqual(problems, []);
  t.deepEqual(objects.map((object) => (object as unknown as { data: unknown }).data), [{ k: 'v' }, { k: 'dg==' }]);
});

test('a bomb of aliases, an abyss of brackets and a sea of keys end in a problem, soon', (t) => {
  const levels = Array.from({ length: 9 }, (_, index) => `l${index + 1}: &l${index + 1} [${Array.from({ length: 9 }, () => `*l${index}`).join(', ')}]`);
  const start = performance.now();
  t.regex(report(read(`apiVersion: v1\nkind: ConfigMap\nl0: &l0 x\n${levels.join('\n')}`)).join(), /aliases repeat more than 100 nodes/);
  t.regex(report(read(`a: ${'['.repeat(150)}${']'.repeat(150)}`)).join(), /nests deeper than 100 levels/);
  t.true(report(read(`a: ${'['.repeat(20_000)}`)).length > 0);
  t.regex(report(read('#'.repeat(8 * 1024 * 1024 + 1))).join(), /TooLarge has 8388609 characters/);
  const keys = Array.from({ length: 20_000 }, (_, index) => `  k${index}: "1"`).join('\n');
  t.is(read(`apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n${keys}`).objects.length, 1);
  t.true(performance.now() - start < 10_000);
});

test('reading is total, and loses nothing silently: a document is an object, a problem, ignored, or empty', (t) => {
  const line = fc.constantFrom('apiVersion: v1', 'kind: Service', 'kind: List', 'items:', '- a: 1', '  b: [', ']', '---', '}', 'metadata: {name: x}', '&a', '*a', '? x', ': y', '!!int x', '%YAML 1.2', '"', '\t', '<<: *a', '...');
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 12 }), (lines) => {
      const { objects, problems, ignored } = read(lines.join('\n'));
      for (const { source } of [...problems, ...ignored]) t.true(source.line >= 1 && source.line <= lines.length + 1);
      if (lines.some((text) => text === 'kind: Service') && lines.length === 1) t.is(objects.length + problems.length + ignored.length, 1);
    }),
    { numRuns: 300 },
  );
});
