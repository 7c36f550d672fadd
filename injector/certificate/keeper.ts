import { readRing } from './keyring.ts';
import type { Pair } from './make.ts';
import { bundleOf, stepOf, type Ring, type Timing } from './rotation.ts';

/** What the keeper needs of a cluster. */
export interface CertificateCluster {
  /** The Secret's text and the version to write it with; undefined where there is no Secret. */
  readRing(): Promise<{ readonly text: string | undefined; readonly version: string } | undefined>;
  /** Writes the Secret if it is still at `version` (undefined: not there). False where another replica was first. */
  writeRing(text: string, version: string | undefined): Promise<boolean>;
  /** The caBundle of each webhook, PEM, by the webhook's name; undefined where the configuration is not there. */
  readBundles(): Promise<ReadonlyMap<string, string> | undefined>;
  writeBundles(names: readonly string[], pem: string): Promise<void>;
}

export interface KeeperEnvironment {
  readonly cluster: CertificateCluster;
  readonly timing: Timing;
  /** Milliseconds since 1970. */
  now(): number;
  make(now: number): Promise<Pair>;
  /** The pair to serve from now on. Called only when it is another one. */
  serve(pair: Pair): void;
}

/** Keeps one replica's certificate, the Secret that all replicas share, and the API server's trust in step. */
export class CertificateKeeper {
  readonly #env: KeeperEnvironment;
  #served: string | undefined;
  /** As last read or written: brings a Secret back that was deleted or spoilt, before anyone would notice. */
  #last: Ring | undefined;

  constructor(env: KeeperEnvironment) {
    this.#env = env;
  }

  /** One look, at most one step. Rejects where the cluster can't be reached; what is served stays. */
  async turn(): Promise<void> {
    const { cluster } = this.#env;
    const bundles = await cluster.readBundles();
    const ring = await this.#step([...(bundles?.values() ?? [])]);
    if (ring === undefined) return;
    const pem = bundleOf(ring);
    const stale = [...(bundles ?? [])].filter(([, bundle]) => bundle !== pem).map(([name]) => name);
    // Trust comes before use: what is served is already in the bundle, or nothing was served before.
    if (stale.length > 0) await cluster.writeBundles(stale, pem);
    if (this.#served !== ring.current.certificate) {
      this.#served = ring.current.certificate;
      this.#env.serve(ring.current);
    }
    if (bundles === undefined) throw new Error('there is no MutatingWebhookConfiguration to write the authority into');
  }

  /** The ring after this turn's step; undefined where another replica wrote at the same time, and the next turn sees what. */
  async #step(bundles: readonly string[]): Promise<Ring | undefined> {
    const { cluster, timing, make } = this.#env;
    const stored = await cluster.readRing();
    const found = readRing(stored?.text);
    const ring = found ?? this.#last;
    const now = this.#env.now();
    const step = stepOf(ring, bundles, now, timing);
    if (step.kind === 'keep' && found !== undefined) return (this.#last = found);
    const changed = step.kind === 'keep' ? ring! : step.kind === 'write' ? step.ring : step.kind === 'create' ? { current: await make(now) } : { ...ring!, next: await make(now) };
    return (await cluster.writeRing(JSON.stringify(changed), stored?.version)) ? (this.#last = changed) : undefined;
  }
}
