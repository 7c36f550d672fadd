import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const gatewayApi = { path: 'sigs.k8s.io/gateway-api', version: 'v1.7.0', toolchain: 'go1.27.0' } as const;

export interface ModuleSearch {
  /** Without it only the module cache is looked at. */
  readonly download: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The folder with the sources of Gateway API, or undefined. */
export function moduleFolder({ download, env }: ModuleSearch): string | undefined {
  const cache = env['GOMODCACHE'] ?? join(env['GOPATH'] ?? join(homedir(), 'go'), 'pkg', 'mod');
  const cached = join(cache, `${gatewayApi.path}@${gatewayApi.version}`);
  if (existsSync(join(cached, 'config', 'crd', 'experimental'))) return cached;
  return download ? downloaded(env) : undefined;
}

function downloaded(env: ModuleSearch['env']): string | undefined {
  try {
    const text = execFileSync('go', ['mod', 'download', '-json', `${gatewayApi.path}@${gatewayApi.version}`], {
      encoding: 'utf8',
      env: { ...env, GOTOOLCHAIN: gatewayApi.toolchain },
    });
    return (JSON.parse(text) as { readonly Dir?: string }).Dir;
  } catch {
    return undefined;
  }
}
