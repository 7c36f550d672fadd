import { builtInKinds, groupOf, type KindDefinition } from '#crds';
import { experimentalGroup, gatewayGroup } from '#controller';
import { policyKinds } from '#policy';
import type { AnyObject } from '../cluster/list.ts';
import type { Observer } from './observer.ts';
import { some } from '../table.ts';
import { failed, ok, skipped, warning, type Check } from './types.ts';

/** What Weft is made for and tested with. */
const bundle = 'v1.7.0';
const oldestBundleMinor = 4;
const bundleAnnotation = 'gateway.networking.k8s.io/bundle-version';
const channelAnnotation = 'gateway.networking.k8s.io/channel';
const installText = `kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api/releases/download/${bundle}/experimental-install.yaml`;

/** Without these there is nothing to do; the others are read where they are. */
const essential = ['GatewayClass', 'Gateway', 'HTTPRoute', 'ReferenceGrant'];

function definitions(): readonly KindDefinition[] {
  return builtInKinds.definitions.filter(({ apiVersions }) => [gatewayGroup, experimentalGroup].includes(groupOf(apiVersions[0])));
}

interface Crd {
  readonly kind: string;
  readonly group: string;
  readonly name: string;
  readonly served: readonly string[];
  readonly established: boolean;
  readonly bundle: string | undefined;
  readonly channel: string | undefined;
}

function crdOf({ metadata, spec, status }: AnyObject): Crd {
  const versions = (spec['versions'] ?? []) as readonly { readonly name: string; readonly served: boolean }[];
  const conditions = (status['conditions'] ?? []) as readonly { readonly type: string; readonly status: string }[];
  const group = String(spec['group']);
  return {
    kind: String((spec['names'] as { readonly kind?: string } | undefined)?.kind),
    group,
    name: metadata.name,
    served: versions.filter(({ served }) => served).map(({ name }) => `${group}/${name}`),
    established: conditions.some(({ type, status: value }) => type === 'Established' && value === 'True'),
    bundle: metadata.annotations[bundleAnnotation],
    channel: metadata.annotations[channelAnnotation],
  };
}

async function crdsOf(observer: Observer): Promise<readonly Crd[]> {
  return (await observer.list('/apis/apiextensions.k8s.io/v1/customresourcedefinitions')).map(crdOf);
}

/** Those of Gateway API that Weft reads. */
async function gatewayCrds(observer: Observer): Promise<readonly Crd[]> {
  const wanted = new Set(definitions().map(({ apiVersions, kind }) => `${groupOf(apiVersions[0])}/${kind}`));
  return (await crdsOf(observer)).filter(({ group, kind }) => wanted.has(`${group}/${kind}`));
}

export const gatewayApiChecks: readonly Check[] = [
  {
    id: 'gateway-api-crds',
    claim: "Gateway API's CRDs are installed",
    when: 'always',
    run: async (observer) => {
      const present = (await gatewayCrds(observer)).map(({ kind }) => kind);
      const missing = definitions().map(({ kind }) => kind).filter((kind) => !present.includes(kind));
      const needed = missing.filter((kind) => essential.includes(kind));
      if (needed.length > 0) return failed(`missing: ${needed.join(', ')}`, installText);
      return missing.length === 0 ? ok(`${present.length} kinds`) : warning(`not installed, so not to be used: ${missing.join(', ')}`, installText);
    },
  },
  {
    id: 'gateway-api-versions',
    claim: 'each of them is served in a version that Weft reads',
    when: 'always',
    run: async (observer) => {
      const crds = await gatewayCrds(observer);
      const wrong = crds.filter((crd) => !definitions().some(({ kind, apiVersions }) => kind === crd.kind && apiVersions.some((version) => crd.served.includes(version))));
      if (wrong.length === 0) return crds.length === 0 ? skipped('there are none') : ok(`${crds.length} kinds`);
      return failed(wrong.map(({ name, served }) => `${name} serves ${served.join(', ') || 'nothing'}`).join('; '), installText);
    },
  },
  {
    id: 'gateway-api-established',
    claim: 'the API server has accepted them',
    when: 'always',
    run: async (observer) => {
      const crds = await gatewayCrds(observer);
      const broken = crds.filter(({ established }) => !established).map(({ name }) => name);
      if (broken.length === 0) return crds.length === 0 ? skipped('there are none') : ok('all established');
      return failed(`not established: ${broken.join(', ')}`, `kubectl describe crd ${broken[0]}`);
    },
  },
  {
    id: 'gateway-api-bundle',
    claim: `they are of a release that fits: ${bundle}, or a near one`,
    when: 'always',
    run: async (observer) => {
      const crds = await gatewayCrds(observer);
      if (crds.length === 0) return skipped('there are none');
      const bundles = [...new Set(crds.map((crd) => crd.bundle ?? 'unknown'))];
      if (bundles.length > 1) return failed(`they come from different releases: ${bundles.map((one) => `${one} (${some(crds.filter((crd) => (crd.bundle ?? 'unknown') === one).map(({ kind }) => kind))})`).join('; ')}`, installText);
      const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(bundles[0] ?? '') ?? [];
      const own = /^v(\d+)\.(\d+)\./.exec(bundle)!;
      if (major !== undefined && (Number(major) < 1 || (major === '1' && Number(minor) < oldestBundleMinor))) return failed(`they are of ${bundles[0]}; Weft needs v1.${oldestBundleMinor} or later`, installText);
      return major === own[1] && minor === own[2] ? ok(bundles[0]!) : warning(`they are of ${bundles[0]}; Weft is tested with ${bundle}`, installText);
    },
  },
  {
    id: 'gateway-api-channel',
    claim: 'they are of the experimental channel',
    when: 'always',
    run: async (observer) => {
      const crds = await gatewayCrds(observer);
      if (crds.length === 0) return skipped('there are none');
      const channels = [...new Set(crds.map(({ channel }) => channel ?? 'unknown'))];
      if (channels.length > 1) return warning(`they are of several channels: ${channels.join(', ')}`, installText);
      return channels[0] === 'experimental' ? ok('experimental') : warning(`they are of the channel ${channels[0]}: no XMesh status, no retries in routes`, `${installText} where you want those`);
    },
  },
  {
    id: 'policy-crds',
    claim: "the CRDs of Weft's policies are installed",
    when: 'post',
    run: async (observer) => {
      const crds = await crdsOf(observer);
      const missing = policyKinds.filter(({ kind, apiVersions }) => !crds.some((crd) => crd.kind === kind && crd.established && apiVersions.some((version) => crd.served.includes(version)))).map(({ kind }) => kind);
      return missing.length === 0 ? ok(policyKinds.map(({ kind }) => kind).join(', ')) : failed(`missing, or of another version: ${missing.join(', ')}`, 'helm upgrade --install weft-crds charts/weft-crds');
    },
  },
];
