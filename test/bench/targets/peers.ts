import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { proxyEnvironment } from '../../../images/environment.ts';
import type { Tools } from '../programs/install.ts';
import { cores, Program } from '../programs/program.ts';
import { smallBytes } from './backends.ts';
import { envoyConfiguration } from './envoy.ts';
import { haproxyConfiguration } from './haproxy.ts';
import { nginxConfiguration } from './nginx.ts';
import type { PeerName, Site, Target } from './types.ts';

/** The command of a peer; undefined where it can't do what the scenario asks, or is not installed. */
function commandOf(name: PeerName, site: Site, tools: Tools): readonly string[] | undefined {
  const { folder, scenario, port, backends, certificates } = site;
  const write = (file: string, text: string): string => {
    writeFileSync(join(folder, file), text);
    return join(folder, file);
  };
  switch (name) {
    case 'nginx': {
      const text = tools.nginx ? nginxConfiguration(site) : undefined;
      return text === undefined ? undefined : ['nginx', '-p', folder, '-c', write('nginx.conf', text)];
    }
    case 'HAProxy': {
      const text = tools.haproxy ? haproxyConfiguration(site) : undefined;
      return text === undefined ? undefined : ['haproxy', '-db', '-q', '-f', write('haproxy.cfg', text)];
    }
    case 'Envoy':
      return tools.envoy === undefined ? undefined : [tools.envoy, '--concurrency', '1', '--disable-hot-restart', '-l', 'error', '-c', write('envoy.json', envoyConfiguration(site))];
    case 'node:tls':
      return scenario === 'terminate' ? [process.execPath, join(import.meta.dirname, 'floor.ts'), String(port), certificates.pair.chainFile, certificates.pair.keyFile, String(smallBytes)] : undefined;
    case 'http-proxy':
    case 'undici':
      return scenario === 'plain' ? [process.execPath, join(import.meta.dirname, 'library.ts'), name, String(port), String(backends.http)] : undefined;
  }
}

export async function startPeer(name: PeerName, site: Site, tools: Tools): Promise<Target | undefined> {
  const command = commandOf(name, site, tools);
  if (command === undefined) return undefined;
  // What is to show what Weft adds to Node runs as Weft does.
  const program = new Program({ name, cores: cores.tested, command, ...(name === 'node:tls' ? { env: proxyEnvironment } : {}) });
  try {
    await program.listening(site.port);
  } catch (error) {
    await program.stop();
    throw error;
  }
  return { name, scenario: site.scenario, port: site.port, program, stop: () => program.stop() };
}
