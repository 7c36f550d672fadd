import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeScripts } from './loads/wrk.ts';
import { makeCertificates, type Certificates } from './programs/certificates.ts';
import type { Tools } from './programs/install.ts';
import { freePort } from './programs/ports.ts';
import type { Program } from './programs/program.ts';
import { startBackends } from './targets/backends.ts';
import { serveControl, type Control } from './targets/control.ts';
import { startPeer } from './targets/peers.ts';
import { rawWeft, type Backends, type PeerName, type Scenario, type Site, type Target } from './targets/types.ts';
import { bundleGateway, startWeft, type WeftOptions, type WeftTarget } from './targets/weft.ts';

/** What all rows share: tools, backends, the controller's stream, the bundle of the gateway. */
export interface Bench {
  readonly folder: string;
  readonly tools: Tools;
  readonly certificates: Certificates;
  readonly backends: Backends;
  /** What serves HTTP there. */
  readonly backend: Program;
  readonly control: Control;
  readonly command: readonly string[];
  readonly scripts: ReturnType<typeof writeScripts>;
  /** A site with a folder and a port of its own. */
  site(scenario: Scenario, name: string): Promise<Site>;
  weft(scenario: Scenario, options?: Partial<WeftOptions>): Promise<WeftTarget>;
  peer(name: PeerName, scenario: Scenario): Promise<Target | undefined>;
}

/** Runs `work` with all that it needs, and ends what was started. */
export async function withBench(tools: Tools, work: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  chmodSync(folder, 0o755); // nginx as root gives up its rights before it reads its files
  const ends: (() => Promise<unknown>)[] = [];
  try {
    const certificates = await makeCertificates(folder);
    const { backends, programs } = await startBackends(folder, certificates, tools);
    ends.push(...programs.map((program) => () => program.stop()));
    const control = await serveControl(folder);
    ends.push(() => control.close());
    const command = await bundleGateway(folder);
    let sites = 0;
    const site = async (scenario: Scenario, name: string): Promise<Site> => {
      sites += 1;
      const own = join(folder, `${sites}-${scenario}-${name}`);
      mkdirSync(own);
      return { folder: own, scenario, port: await freePort(), backends, certificates };
    };
    const started = <T extends Target | undefined>(target: T): T => {
      if (target !== undefined) ends.unshift(() => target.stop());
      return target;
    };
    const bench: Bench = {
      folder, tools, certificates, backends, backend: programs[0], control, command, site,
      scripts: writeScripts(folder),
      weft: async (scenario, options) => started(await startWeft(await site(scenario, 'weft'), { control, command, ...options })),
      peer: async (name, scenario) =>
        name === rawWeft ? { ...(await bench.weft(scenario, { env: { WEFT_SOCKET_IO: 'raw' } })), name } : started(await startPeer(name, await site(scenario, name), tools)),
    };
    await work(bench);
  } finally {
    await Promise.all(ends.map((end) => end()));
    rmSync(folder, { recursive: true, force: true });
  }
}
