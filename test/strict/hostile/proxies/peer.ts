import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installTools } from '../../../bench/programs/install.ts';
import { cores, Program } from '../../../bench/programs/program.ts';
import { certificateFor } from '../../../component/streams-rig.ts';
import { http2Attacks } from '../attacks/http2.ts';
import type { Place, Targets } from '../attacks/sockets.ts';
import { seat } from '../seats.ts';
import { envoyConfiguration } from './envoy.ts';
import { haproxyConfiguration } from './haproxy.ts';
import { nginxConfiguration, nginxStreamModule } from './nginx.ts';
import { http2Only, targets } from './places.ts';
import type { PeerName, PeerSite, SceneProxy } from './types.ts';

interface Peer {
  readonly command: readonly string[];
  /** Where it speaks HTTP/2 without TLS. */
  readonly http2: Place;
  /** Whether it forwards datagrams. */
  readonly udp: boolean;
}

/** A proxy of others in Weft's place: the same listeners, routes, waits and bounds where it has them, one thread that serves, the same seat. */
export async function startPeer(name: PeerName): Promise<SceneProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-hostile-'));
  const { command, http2, udp } = await peer(name, await siteIn(folder));
  const [first, rest] = seat('proxy', command);
  const program = new Program({ name, cores: cores.tested, command: [first, ...rest] });
  const kill = async (): Promise<void> => {
    const members = program.members();
    await program.stop();
    // A worker goes on where its master was not given the time to end it.
    for (const pid of members) endProcess(pid);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const place of [targets.http, targets.https, http2]) await program.until(() => answers(place), `does not listen on ${place.address}:${place.port}`);
  } catch (error) {
    await kill();
    throw error;
  }
  const targetsOf = (attack: string): Targets | undefined => {
    if (attack === 'flow flood' && !udp) return undefined;
    return attack in http2Attacks ? { ...targets, http: http2 } : targets;
  };
  return { targetsOf, memory: () => program.residentMiB(), runs: () => program.child.exitCode === null && program.child.signalCode === null, kill };
}

async function siteIn(folder: string): Promise<PeerSite> {
  const { chain, key } = certificateFor('strict.test');
  const write = async (file: string, text: string): Promise<string> => {
    await writeFile(join(folder, file), text);
    return join(folder, file);
  };
  return { folder, chainFile: await write('pair.crt', chain), keyFile: await write('pair.key', key), bothFile: await write('pair.pem', chain + key) };
}

async function peer(name: PeerName, site: PeerSite): Promise<Peer> {
  const tools = installTools({ envoy: name === 'envoy' ? 'yes' : 'no', only: name === 'envoy' ? ['taskset'] : [name, 'taskset'] });
  if (tools.missing.length > 0) throw new Error(tools.missing.join('; '));
  const write = async (file: string, text: string): Promise<string> => {
    await writeFile(join(site.folder, file), text);
    return join(site.folder, file);
  };
  switch (name) {
    case 'nginx':
      return { command: ['nginx', '-p', site.folder, '-c', await write('nginx.conf', nginxConfiguration(site))], http2: http2Only, udp: nginxStreamModule !== undefined };
    case 'envoy':
      return { command: [tools.envoy!, '--concurrency', '1', '--disable-hot-restart', '-l', 'error', '-c', await write('envoy.json', envoyConfiguration(site))], http2: targets.http, udp: true };
    case 'haproxy':
      return { command: ['haproxy', '-db', '-q', '-f', await write('haproxy.cfg', haproxyConfiguration(site))], http2: targets.http, udp: false };
  }
}

function answers({ address, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
