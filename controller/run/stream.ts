import type { Channel } from '#snapshot';
import { issueServing, loadAuthority, serveStream, type StreamServerEnvironment, type Trust } from '../serve/index.ts';
import { pause } from '../kube/backoff.ts';
import type { RunEnvironment } from './run.ts';

export interface StreamEnvironment extends RunEnvironment {
  readonly admit: StreamServerEnvironment['admit'];
  accept(channel: Channel): void;
  refused(reason: string): void;
}

export interface Stream {
  readonly port: number;
  /** PEM of the authorities that proxies are to trust. */
  bundle(): string;
  close(): Promise<void>;
}

/** How often it is looked whether the authority is replaced, or the certificate is to be. Milliseconds. */
const checkMs = 10_000;
/** The certificate, which is valid for a week, is replaced when less than this is left. Milliseconds. */
const renewMs = 3 * 86_400_000;

/** Serves the stream with a certificate of the cluster's authority, and renews that. */
export async function openStream(env: StreamEnvironment): Promise<Stream> {
  const { api, options, now, monotonic, random, signal, log } = env;
  let told = '';
  const failed = (message: string): void => {
    if (message !== told) log('warn', message);
    told = message;
  };
  const trust = { api, namespace: options.namespace, now, signal, failed };
  const names = [`${options.service}.${options.namespace}.svc`, `${options.service}.${options.namespace}.svc.cluster.local`, `${options.service}.${options.namespace}`];
  let held: Trust = await loadAuthority(trust);
  let certificate = await issueServing(held.authority, names, now());
  const server = await serveStream({
    ...(options.address === undefined ? {} : { address: options.address }),
    port: options.streamPort,
    certificate,
    admit: env.admit,
    accept: (channel, node) => {
      log('info', 'a proxy has connected', { proxy: node.id });
      env.accept(channel);
    },
    refused: (reason, from) => {
      log('warn', `a connection was refused: ${reason}`, { from });
      env.refused(reason);
    },
    now: monotonic,
    random,
  });
  const closed = new AbortController();
  const renew = async (): Promise<void> => {
    for (;;) {
      await pause(checkMs, AbortSignal.any([signal, closed.signal]));
      if (signal.aborted || closed.signal.aborted) return;
      try {
        const before = held;
        held = await loadAuthority(trust, before);
        const { authority } = held;
        // That more is trusted changes nothing of what is served.
        if (authority.key === before.authority.key && authority.bundle === before.authority.bundle && certificate.notAfter - now() > renewMs) continue;
        certificate = await issueServing(authority, names, now());
        server.renew(certificate);
        log('info', 'serving a new certificate', { notAfter: new Date(certificate.notAfter).toISOString(), ofNewAuthority: authority.key !== before.authority.key });
      } catch (error) {
        log('error', `the certificate could not be renewed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  void renew();
  return {
    port: server.port,
    bundle: () => held.bundle,
    close: () => {
      closed.abort();
      return server.close();
    },
  };
}
