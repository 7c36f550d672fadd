import { mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { bundle, bundles, copyPackages } from '../../../images/bundle.ts';
import { proxyEnvironment } from '../../../images/environment.ts';
import { freePort } from '../programs/ports.ts';
import { cores, Program } from '../programs/program.ts';
import { serverName, type Control } from './control.ts';
import { resourcesOf } from './resources.ts';
import type { Site, Target } from './types.ts';

const root = join(import.meta.dirname, '../../..');

/** The gateway's process as its image has it. Returns the command's words. */
export async function bundleGateway(folder: string): Promise<readonly string[]> {
  const target = join(folder, 'weft-proxy/weft');
  await copyPackages(await bundle(bundles.find(({ name }) => name === 'gateway')!, folder), target);
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  return [process.execPath, join(target, 'gateway.js')];
}

/** Not bundled, for profiles that tell one file from another. */
export const gatewaySource: readonly string[] = [process.execPath, join(root, 'gateway/main.ts')];

export interface WeftOptions {
  readonly control: Control;
  /** What starts the gateway, without flags. */
  readonly command: readonly string[];
  readonly flags?: readonly string[];
  readonly cores?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly messages?: 'yes';
}

/** A gateway that is ready, the token by which its controller knows it, and how long it took. */
export interface WeftTarget extends Target {
  readonly token: string;
  readonly readyMs: number;
  readonly readyCpuMs: number;
}

/** Rejects where the gateway refuses what it was sent: a version that can't do this yet. */
export async function startWeft(site: Site, { control, command, flags = [], cores: pinned = cores.tested, env = {}, messages }: WeftOptions): Promise<WeftTarget> {
  const token = `${site.scenario}-${site.port}`;
  const admin = await freePort();
  mkdirSync(join(site.folder, 'state'), { recursive: true });
  writeFileSync(join(site.folder, 'token'), token);
  control.set(token, resourcesOf(site));
  const variables = {
    ...proxyEnvironment, POD_NAME: token, POD_NAMESPACE: 'bench', POD_IPS: '127.0.0.1', WEFT_CONTROLLER: `${serverName}:${control.port}`, WEFT_GATEWAY: token, WEFT_TOKEN_FILE: join(site.folder, 'token'),
    WEFT_CA_FILE: control.authorityFile, WEFT_STATE_DIR: join(site.folder, 'state'), WEFT_ADMIN_PORT: String(admin), WEFT_DRAIN_DELAY_SECONDS: '0', WEFT_DRAIN_SECONDS: '0', ...env,
  };
  const program = new Program({ name: 'Weft', cores: pinned, command: [command[0]!, ...flags, ...command.slice(1)], env: variables, ...(messages === undefined ? {} : { messages }) });
  const stop = async (): Promise<void> => {
    await program.stop();
    control.forget(token);
  };
  try {
    await program.until(() => isReady(admin), 'does not become ready');
    const [readyMs, readyCpuMs] = [performance.now() - program.spawnedAt, program.cpuNs() / 1e6];
    await program.until(async () => control.settled(token) !== 'no', 'does not take its configuration');
    const settled = control.settled(token);
    if (settled !== 'yes') throw new Error(`Weft refuses its configuration: ${JSON.stringify(settled)}`);
    return { name: 'Weft', scenario: site.scenario, port: site.port, program, token, readyMs, readyCpuMs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether the proxy whose administration listens there says that it serves. */
export function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/ready', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}
