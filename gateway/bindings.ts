import { explainBindFailure, type BoundListener, type Proxy } from '#proxy';
import type { Listener } from '#snapshot';

export interface BindingsOptions {
  readonly proxy: Pick<Proxy, 'listen'>;
  /** How long a listener that is gone, or has moved, may finish what it has in flight. Milliseconds. */
  readonly drainMs: number;
  /** Every listener that can't be bound at present, by name, with the reason; after each change of that. */
  failed(failures: ReadonlyMap<string, string>): void;
  /** A socket was bound or closed. */
  changed(): void;
}

/** Waits between tries to bind, in milliseconds: what held the port may be about to leave it. */
const retryWaits = [25, 50, 100, 250, 500, 1000] as const;

interface Binding {
  /** The newest version; undefined once it is to go. */
  wanted: Listener | undefined;
  bound: BoundListener | undefined;
  /** What `bound` was made for. */
  boundAs: Listener | undefined;
  busy: boolean;
  tries: number;
  retry: NodeJS.Timeout | undefined;
}

/** The sockets of a gateway, brought in line with its listeners. A socket that moves is bound anew before the old one closes. */
export class Bindings {
  readonly #options: BindingsOptions;
  readonly #bindings = new Map<string, Binding>();
  readonly #failures = new Map<string, string>();
  #closed = false;

  constructor(options: BindingsOptions) {
    this.#options = options;
  }

  /** By listener name; port and address as bound. */
  bound(): ReadonlyMap<string, BoundListener> {
    return new Map([...this.#bindings].flatMap(([name, { bound }]) => (bound === undefined ? [] : [[name, bound] as const])));
  }

  /** Every wanted listener is bound, or has failed to be. */
  settled(): boolean {
    return [...this.#bindings].every(([name, { bound, boundAs, wanted }]) => this.#failures.has(name) || (bound !== undefined && boundAs === wanted));
  }

  set(listener: Listener): void {
    const binding = this.#bindings.get(listener.name) ?? { wanted: undefined, bound: undefined, boundAs: undefined, busy: false, tries: 0, retry: undefined };
    this.#bindings.set(listener.name, binding);
    binding.wanted = listener;
    binding.tries = 0;
    void this.#advance(listener.name, binding);
  }

  remove(name: string): void {
    const binding = this.#bindings.get(name);
    if (binding === undefined) return;
    binding.wanted = undefined;
    void this.#advance(name, binding);
  }

  /** Binds nothing any more; the proxy closes what is bound. */
  close(): void {
    this.#closed = true;
    for (const { retry } of this.#bindings.values()) clearTimeout(retry);
  }

  async #advance(name: string, binding: Binding): Promise<void> {
    clearTimeout(binding.retry);
    // One step at a time per listener; the step under way looks again at its end.
    if (binding.busy || this.#closed) return;
    const { wanted, bound, boundAs } = binding;
    if (wanted === undefined) return this.#release(name, binding);
    if (wanted === boundAs) return;
    if (bound !== undefined && boundAs !== undefined && samePlace(boundAs, wanted)) {
      bound.update(wanted);
      binding.boundAs = wanted;
      // It may have been on its way to a place that it could not have.
      this.#report(name, undefined);
      return;
    }
    binding.busy = true;
    try {
      const fresh = await this.#options.proxy.listen(wanted);
      binding.bound = fresh;
      binding.boundAs = wanted;
      this.#report(name, undefined);
      void bound?.close(this.#options.drainMs);
    } catch (error) {
      if (this.#closed) return;
      this.#report(name, explainBindFailure(error, wanted));
      const wait = retryWaits[Math.min(binding.tries, retryWaits.length - 1)];
      binding.tries += 1;
      binding.retry = setTimeout(() => void this.#advance(name, binding), wait).unref();
    }
    binding.busy = false;
    if (binding.wanted !== wanted) void this.#advance(name, binding);
  }

  #release(name: string, binding: Binding): void {
    this.#bindings.delete(name);
    this.#report(name, undefined);
    void binding.bound?.close(this.#options.drainMs);
    this.#options.changed();
  }

  #report(name: string, failure: string | undefined): void {
    const before = this.#failures.get(name);
    if (failure === undefined) this.#failures.delete(name);
    else this.#failures.set(name, failure);
    if (before !== failure) this.#options.failed(new Map(this.#failures));
    this.#options.changed();
  }
}

function samePlace(a: Listener, b: Listener): boolean {
  return a.address === b.address && a.port === b.port;
}
