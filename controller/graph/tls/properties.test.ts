import test from 'ava';
import fc from 'fast-check';
import type { BackendTarget } from '#snapshot';
import { assertAnew, assertErrorsTold, takenObjects, translateObjects } from '../../testing.ts';
import type { Translation } from '../../types.ts';
import { readTlsVariant } from './variants.ts';
import { selfSigned } from './testing.ts';

const pem = (await selfSigned('ca')).certificate;
const { certificate, key } = await selfSigned('server');
const encoded = { 'tls.crt': Buffer.from(certificate).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };

const gw = 'gateway.networking.k8s.io';
const name = fc.constantFrom('a', 'b');
const namespace = fc.constantFrom('x', 'y');
const metadata = fc.record({ name, namespace });
const aged = fc.record({ name, namespace, creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z') });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const authority = fc.record({ group: fc.constantFrom('', '', '', 'x.io'), kind: fc.constantFrom('ConfigMap', 'ConfigMap', 'Secret', 'Service'), name });
const far = fc.record({ group: fc.constant(''), kind: fc.constantFrom('ConfigMap', 'ConfigMap', 'Service'), name, namespace: maybe(namespace) });
const validation = fc.record({ caCertificateRefs: fc.array(far, { minLength: 1, maxLength: 2 }), mode: maybe(fc.constant('AllowInsecureFallback')) });
const frontend = fc.record({ default: fc.record({ validation: maybe(validation) }), perPort: maybe(fc.record({ tls: fc.record({ validation: maybe(validation) }) }).map((each) => [{ port: 443, ...each }])) });
const tls = fc.record({ frontend: maybe(frontend), backend: maybe(fc.record({ clientCertificateRef: fc.record({ name, namespace: maybe(namespace) }) })) });
const listeners = [
  { name: 'http', port: 80, protocol: 'HTTP' },
  { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'a' }] } },
  { name: 'end', port: 8443, protocol: 'TLS', hostname: 'a.example.com', tls: { mode: 'Terminate', certificateRefs: [{ name: 'a' }] } },
  { name: 'through', port: 8444, protocol: 'TLS', tls: { mode: 'Passthrough' } },
].map((each) => ({ ...each, allowedRoutes: { namespaces: { from: 'All' } } }));
const backendRefs = fc.array(fc.record({ name, namespace: maybe(namespace), port: fc.constantFrom(80, 443) }), { minLength: 1, maxLength: 2 });
const trust = fc.oneof(
  fc.record({ caCertificateRefs: fc.array(authority, { minLength: 1, maxLength: 2 }) }),
  fc.record({ wellKnownCACertificates: fc.constantFrom('System', 'x.io/y') }),
);
const targetRef = fc.record({ group: fc.constant(''), kind: fc.constantFrom('Service', 'Service', 'Service', 'Bucket'), name, sectionName: maybe(fc.constantFrom('http', 'https', 'none')) });

const object = fc.oneof(
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('Gateway'), metadata, spec: fc.record({ gatewayClassName: fc.constantFrom('weft', 'weft', 'other'), tls: maybe(tls), listeners: fc.constant(listeners) }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constantFrom('HTTPRoute', 'HTTPRoute', 'GRPCRoute'), metadata, spec: fc.record({ parentRefs: fc.record({ name, namespace: maybe(namespace) }).map((each) => [each]), rules: backendRefs.map((refs) => [{ backendRefs: refs }]) }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('TLSRoute'), metadata, spec: fc.record({ parentRefs: name.map((each) => [{ name: each }]), hostnames: fc.constant(['a.example.com']), rules: backendRefs.map((refs) => [{ backendRefs: refs }]) }) }),
  fc.record({ apiVersion: fc.constant('v1'), kind: fc.constant('Service'), metadata, spec: maybe(fc.constant('https')).map((appProtocol) => ({ ports: [{ name: 'http', port: 80 }, { name: 'https', port: 443, ...(appProtocol === undefined ? {} : { appProtocol }) }] })) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('BackendTLSPolicy'), metadata: aged, spec: fc.record({ targetRefs: targetRef.map((each) => [each]), options: maybe(fc.constant({ 'x.io/y': 'z' })), validation: trust.map((each) => ({ hostname: 'x.example.com', ...each })) }) }),
  fc.record({ apiVersion: fc.constant('v1'), kind: fc.constant('ConfigMap'), metadata, data: fc.constantFrom({ 'ca.crt': pem }, { 'ca.crt': '' }, {}) }),
  fc.record({ apiVersion: fc.constant('v1'), kind: fc.constant('Secret'), metadata, type: fc.constant('kubernetes.io/tls'), data: fc.constantFrom(encoded, encoded, {}) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('ReferenceGrant'), metadata, spec: namespace.map((from) => ({ from: [{ group: gw, kind: 'HTTPRoute', namespace: from }, { group: gw, kind: 'Gateway', namespace: from }], to: [{ group: '', kind: 'Service' }, { group: '', kind: 'ConfigMap' }, { group: '', kind: 'Secret' }] })) }),
);

const objects = fc.array(object, { minLength: 5, maxLength: 20 }).map(takenObjects);

interface Met {
  readonly gateway: string;
  readonly protocol: string;
  readonly target: BackendTarget;
}

function targetsOf({ snapshots }: Translation): readonly Met[] {
  return [...snapshots.listeners].flatMap(([gateway, all]) =>
    all.flatMap(({ sections }) =>
      sections.flatMap(({ routes, protocol, mode = 'Terminate' }) => {
        const rules = [...(snapshots.routeTable(routes)?.routes ?? []).flatMap((route) => route.rules), ...(snapshots.streamTable(routes)?.routes ?? []).map((route) => route.rule)];
        return rules.flatMap(({ backends }) => backends.map(({ target }) => ({ gateway, protocol: protocol === 'TLS' ? mode : protocol, target })));
      }),
    ),
  );
}

/** What came of it, as text. */
function textOf(translation: Translation): string {
  const { statuses, problems, snapshots } = translation;
  const met = targetsOf(translation);
  const backends = met.map(({ target }) => (target.kind === 'backend' ? snapshots.backend(target.backend) : target));
  return JSON.stringify([statuses, problems.map(({ source: _source, ...rest }) => rest), [...snapshots.listeners], met, backends, [...snapshots.clientCertificates]]);
}

test('where a policy stands nothing goes out in plain text, and each Gateway has its own Backend', (t) => {
  fc.assert(
    fc.property(objects, (all) => {
      const translation = translateObjects(all);
      const policies = all.filter(({ kind }) => kind === 'BackendTLSPolicy') as unknown as readonly { readonly metadata: { readonly namespace: string }; readonly spec: { readonly targetRefs: readonly { readonly kind: string; readonly name: string; readonly sectionName?: string }[] } }[];
      const ports: Readonly<Record<number, string>> = { 80: 'http', 443: 'https' };
      for (const { gateway, protocol, target } of targetsOf(translation)) {
        if (target.kind === 'invalid') continue;
        const { ref, port } = target;
        const stands = policies.some(({ metadata: at, spec }) => at.namespace === ref.namespace && spec.targetRefs.some(({ kind, name: wanted, sectionName = ports[port] }) => kind === 'Service' && wanted === ref.name && sectionName === ports[port]));
        const variant = readTlsVariant(target.backend);
        t.is(variant?.gateway, stands && protocol !== 'Passthrough' ? gateway : undefined, target.backend);
        t.is(translation.snapshots.backend(target.backend)?.tls === undefined, variant === undefined, target.backend);
      }
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('a translation after a change is that of the same objects read anew', (t) => {
  fc.assert(fc.property(objects, fc.nat(), objects, (before, gone, come) => assertAnew(t, { before, gone, come }, textOf)), { numRuns: 50 });
  t.pass();
});

test('every error is in the message of a condition of its object', (t) => {
  fc.assert(fc.property(objects, (all) => assertErrorsTold(t, all)), { numRuns: 100 });
  t.pass();
});
