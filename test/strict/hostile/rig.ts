import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sleep } from '../../faults/rig.ts';
import type { Targets, Told } from './attacks/sockets.ts';
import type { Taken } from './others.ts';
import { startPeer } from './proxies/peer.ts';
import { bystander, targets, victim } from './proxies/places.ts';
import type { PeerName, SceneProxy } from './proxies/types.ts';
import { startWeft } from './proxies/weft.ts';
import { seat, seated, type Seat } from './seats.ts';

/** The proxy in a process of its own, and so is everything around it: another client and its backend, each attacker and the attacked backend. */

/** A program of this folder that is told what to do, and tells. */
class Program {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(who: Seat, file: string, ...words: readonly string[]): Promise<Program> {
    const [first, rest] = seat(who, [process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...words]);
    const program = new Program(spawn(first, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    await program.#next();
    return program;
  }

  tell(what: string): void {
    this.#child.send(what);
  }

  /** What it answers. */
  async ask(what: string): Promise<unknown> {
    const told = this.#next();
    this.tell(what);
    return told;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`ended: ${this.#child.spawnargs.join(' ')}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended);
        resolve(message);
      });
    });
  }
}

export interface Counts {
  /** Bytes that were poured into responses. */
  readonly poured: number;
  /** Requests for `/reset`, which are never answered. */
  readonly begun: number;
}

/** Everything but the attackers. */
export interface Scene {
  readonly proxy: SceneProxy;
  /** Of the attacked backend, since they were last asked for. */
  counts(): Promise<Counts>;
  /** How another client fares in the meantime. */
  beside(work: () => Promise<void>): Promise<Taken>;
  close(): Promise<void>;
}

/** `peer`: a proxy of others takes Weft's place. */
export async function startScene(peer?: PeerName): Promise<Scene> {
  const backends = [await Program.start('bystander', 'upstream.ts', bystander.address, String(bystander.port)), await Program.start('attack', 'upstream.ts', victim.address, String(victim.port))] as const;
  const others = await Program.start('bystander', 'others.ts', targets.http.address, String(targets.http.port));
  const proxy = peer === undefined ? await startWeft() : await startPeer(peer);
  return {
    proxy,
    counts: async () => (await backends[1].ask('tell')) as Counts,
    beside: async (work) => {
      others.tell('start');
      await work();
      return (await others.ask('stop')) as Taken;
    },
    close: async () => {
      for (const program of [...backends, others]) program.close();
      await proxy.kill();
    },
  };
}

export interface Attacker {
  /** Attacks once. */
  run(): Promise<Told>;
  close(): void;
}

/** `withinMs`: an attack that goes on for longer is ended, and told so; a proxy of others need not end what it is sent. */
export async function startAttacker(name: string, at: Targets, withinMs?: number): Promise<Attacker> {
  const start = (): Promise<Program> => Program.start('attack', 'attacker.ts', name, JSON.stringify(at), seated ? 'own' : 'shared');
  let program = await start();
  const run = async (): Promise<Told> => {
    const told = program.ask('attack') as Promise<Told>;
    const first = withinMs === undefined ? await told : await Promise.race([told, sleep(withinMs)]);
    if (first !== undefined) return first;
    program.close();
    program = await start();
    return { cutOffAfterMs: withinMs! };
  };
  return { run, close: () => program.close() };
}

export type { PeerName, Taken, Told };
