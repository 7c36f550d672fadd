import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/**
 * Who runs where while times are taken. A real attacker has machines of its own and takes no CPU from the proxy's other clients and backends;
 * here all of them share one machine. So the proxy has the first core for itself; the bystanders (another client, and what it is served by) and
 * the attack (attacker, and the backend it is aimed at) share the second, where the bystanders go first: in the real-time class they never wait
 * for the attack, which takes all that they leave of the core.
 */
export type Seat = 'proxy' | 'bystander' | 'attack';

const words: Readonly<Record<Seat, readonly string[]>> = {
  proxy: ['taskset', '-c', '0'],
  bystander: ['taskset', '-c', '1', 'chrt', '--rr', '1'],
  attack: ['taskset', '-c', '1'],
};

/** Whether this machine has two cores, and lets us set who goes first: it takes Linux and CAP_SYS_NICE. Else times say nothing. */
export const seated = ((): boolean => {
  if (cpus().length < 2) return false;
  try {
    for (const each of Object.values(words)) execFileSync(each[0]!, [...each.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** The main thread of a proxy goes before whatever else this machine does; its helpers, the garbage collector's, do not go before it. */
export function first(pid: number): void {
  if (seated) execFileSync('chrt', ['--rr', '-p', '1', String(pid)], { stdio: 'ignore' });
}

/** A command line in its seat. */
export function seat(who: Seat, command: readonly string[]): readonly [string, readonly string[]] {
  const [first, ...rest] = seated ? [...words[who], ...command] : command;
  return [first!, rest];
}
