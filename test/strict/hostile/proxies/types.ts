import type { Targets } from '../attacks/sockets.ts';

/** The proxy of the scene: what the attacks are aimed at, and what serves another client meanwhile. */
export interface SceneProxy {
  /** Where an attack goes; undefined: the proxy does not do what it is aimed at. */
  targetsOf(attack: string): Targets | undefined;
  /** Resident memory, MiB. Undefined where the system does not tell. */
  memory(): number | undefined;
  /** It is still the process that was started. */
  runs(): boolean;
  kill(): Promise<void>;
}

/** Proxies of others, that can take Weft's place. */
export const peerNames = ['nginx', 'envoy', 'haproxy'] as const;
export type PeerName = (typeof peerNames)[number];

/** What a peer is set up with. */
export interface PeerSite {
  /** For its files. */
  readonly folder: string;
  readonly chainFile: string;
  readonly keyFile: string;
  /** Both in one file, as HAProxy wants it. */
  readonly bothFile: string;
}
