import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { gatewayFeatures, meshFeatures } from './features.ts';

/** What is claimed is what passed: the report of the official conformance suite that is kept in docs/conformance. */

interface Part {
  readonly statistics: { readonly Passed: number; readonly Failed: number; readonly Skipped: number };
  readonly supportedFeatures?: readonly string[];
}

interface Profile {
  readonly name: string;
  readonly core: Part;
  readonly extended?: Part;
}

const root = join(import.meta.dirname, '..', '..');
const { profiles } = parse(readFileSync(join(root, 'docs/conformance/report.yaml'), 'utf8')) as { readonly profiles: readonly Profile[] };

/** What a profile asks for without naming it in a report (conformance/utils/suite/profiles.go). */
const core: Readonly<Record<string, readonly string[]>> = {
  'GATEWAY-HTTP': ['Gateway', 'ReferenceGrant', 'HTTPRoute'],
  'GATEWAY-GRPC': ['Gateway', 'ReferenceGrant', 'GRPCRoute'],
  'GATEWAY-TLS': ['Gateway', 'ReferenceGrant', 'TLSRoute'],
  'GATEWAY-TCP': ['Gateway', 'ReferenceGrant', 'TCPRoute'],
  'GATEWAY-UDP': ['Gateway', 'ReferenceGrant', 'UDPRoute'],
  'MESH-HTTP': ['Mesh', 'HTTPRoute'],
  'MESH-GRPC': ['Mesh', 'GRPCRoute'],
};

/** Features that stand in no profile, so that no report names them, with the tests of the suite that ask for them. */
const outsideProfiles: Readonly<Record<string, readonly string[]>> = {
  GRPCRouteNamedRouteRule: ['GRPCRouteNamedRule'],
  GRPCRouteRequestHeaderModifier: ['GRPCRouteRequestHeaderModifier'],
};

/** Features that the suite takes our word for: none of its tests asks for them. Golden cases show them instead. */
const withoutOfficialTest: Readonly<Record<string, readonly string[]>> = {
  ClusterTrustBundle: ['backend-tls/a-cluster-trust-bundle-holds-authorities-for-all-namespaces', 'client-certificates/a-cluster-trust-bundle-needs-no-grant'],
};

function passed(prefix: string): readonly string[] {
  const ours = profiles.filter(({ name }) => name.startsWith(prefix));
  return [...new Set(ours.flatMap(({ name, extended }) => [...(core[name] ?? []), ...(extended?.supportedFeatures ?? [])]))].toSorted();
}

test('the report has all profiles, and in none of them a test failed or was left out', (t) => {
  t.deepEqual(profiles.map(({ name }) => name).toSorted(), Object.keys(core).toSorted());
  for (const { name, core: ofCore, extended } of profiles) {
    for (const part of [ofCore, ...(extended === undefined ? [] : [extended])]) {
      t.like(part.statistics, { Failed: 0, Skipped: 0 }, name);
      t.true(part.statistics.Passed > 0, name);
    }
  }
});

test('supportedFeatures of GatewayClass and XMesh are what the report shows, no more and no less', (t) => {
  for (const [features, prefix] of [[gatewayFeatures, 'GATEWAY-'], [meshFeatures, 'MESH-']] as const) {
    const claimed = features.map(({ name }) => name);
    const inProfiles = claimed.filter((name) => !(name in outsideProfiles));
    t.deepEqual({ claimedOnly: inProfiles.filter((name) => !passed(prefix).includes(name)), passedOnly: passed(prefix).filter((name) => !claimed.includes(name)) }, { claimedOnly: [], passedOnly: [] }, prefix);
    // As the specification asks for them.
    t.deepEqual(claimed, [...new Set(claimed)].toSorted());
  }
});

test('the tests of features that stand in no profile passed', (t) => {
  const tests = new Set(readFileSync(join(root, 'docs/conformance/tests.txt'), 'utf8').split('\n'));
  for (const [feature, names] of Object.entries(outsideProfiles)) {
    t.true(gatewayFeatures.some(({ name }) => name === feature), `${feature} is not claimed: take it off the list`);
    for (const name of names) t.true(tests.has(name), name);
  }
});

test('a feature that no official test asks for has tests of our own', (t) => {
  for (const [feature, cases] of Object.entries(withoutOfficialTest)) {
    t.true(gatewayFeatures.some(({ name }) => name === feature), `${feature} is not claimed: take it off the list`);
    for (const each of cases) t.true(existsSync(join(root, 'test/golden/cases', each, 'expect.yaml')), each);
  }
});
