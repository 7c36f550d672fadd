import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { factsOf, type Crd } from './crd.ts';
import { printJson } from './json.ts';
import { indexOf, typesOf } from './types.ts';

const kinds =
  'BackendTLSPolicy Gateway GatewayClass GRPCRoute HTTPRoute ListenerSet ReferenceGrant TCPRoute TLSRoute UDPRoute XBackend XBackendTrafficPolicy XMesh'.split(' ');

/** Every generated file by its name below `crds/generated/`. `folder` holds the Go module. */
export function generate(folder: string): ReadonlyMap<string, string> {
  const experimental = join(folder, 'config', 'crd', 'experimental');
  const files = new Map<string, string>();
  const found: string[] = [];
  for (const name of readdirSync(experimental).sort()) {
    // `_vap_` files hold admission policies, `kustomization.yaml` no object.
    if (!name.startsWith('gateway.networking.') || name.includes('_vap_')) continue;
    const crd = parse(readFileSync(join(experimental, name), 'utf8')) as Crd;
    const { kind } = crd.spec.names;
    if (!kinds.includes(kind)) continue;
    found.push(kind);
    const facts = factsOf(crd);
    files.set(`types/${kind}.ts`, typesOf(facts));
    files.set(`schemas/${kind}.json`, printJson(facts));
  }
  const missing = kinds.filter((kind) => !found.includes(kind));
  if (missing.length > 0) throw new Error(`no CRD in ${experimental} for ${missing.join(', ')}`);
  files.set('types/index.ts', indexOf([...kinds].sort()));
  return files;
}
