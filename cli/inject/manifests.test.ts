import test from 'ava';
import { defaultInjection } from '#injector';
import { parseAllDocuments } from 'yaml';
import { injectManifests } from './manifests.ts';

const inject = (text: string) => injectManifests(text, 'shop', defaultInjection);

const deployment = `# The shop's front.
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}} # kept
    spec:
      containers:
        - {name: web, image: web:1}
`;

test('a template gets the sidecar; the rest, comments too, stays', (t) => {
  const { output, faults } = inject(`${deployment}---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n`);
  t.deepEqual(faults, []);
  t.true(output.startsWith("# The shop's front.\napiVersion: apps/v1\nkind: Deployment\n"));
  t.true(output.includes('# kept'));
  const [first, second] = parseAllDocuments(output).map((document) => document.toJS() as unknown) as unknown as [{ spec: { template: { metadata: object; spec: { initContainers: { name: string }[] } } } }, { kind: string }];
  t.deepEqual(first.spec.template.spec.initContainers.map(({ name }) => name), ['weft-init', 'weft-proxy']);
  t.deepEqual(first.spec.template.metadata, { labels: { app: 'web', 'weft-mesh.io/injected': 'true' } });
  t.is(second.kind, 'Service');
});

test('every kind that has a template, also within a List', (t) => {
  const template = { spec: { containers: [{ name: 'a' }] } };
  const items = [
    { kind: 'Pod', metadata: { name: 'a' }, ...template },
    ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'ReplicationController'].map((kind) => ({ kind, metadata: { name: 'a' }, spec: { template } })),
    { kind: 'CronJob', metadata: { name: 'a' }, spec: { jobTemplate: { spec: { template } } } },
    { kind: 'ConfigMap', metadata: { name: 'a' } },
  ];
  const { output } = inject(JSON.stringify({ kind: 'List', apiVersion: 'v1', items }));
  t.is(output.match(/"?name"?: "?weft-proxy/g)?.length, 8);
});

test('twice is once', (t) => {
  const once = inject(deployment);
  const twice = inject(once.output);
  t.is(twice.output, once.output);
  t.deepEqual(twice.notes, ['Deployment shop/web: the Pod has its sidecar']);
});

test('a refusal names the object; what is no YAML is told', (t) => {
  t.deepEqual(inject(deployment.replace('containers:', 'hostNetwork: true\n      containers:')).faults, [
    "Deployment shop/web: hostNetwork: a Pod on its node's network can't have a sidecar, which would take over the traffic of the node. To run the Pod without a sidecar, give it the label weft-mesh.io/inject=disabled",
  ]);
  t.regex(inject('a: [').faults[0]!, /^no YAML: /);
});
