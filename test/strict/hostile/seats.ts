import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/**
 * Who runs where while times are taken. A real attacker has machines of its own and takes no CPU from the proxy's other clients and backends;
 * here all of them share one machine. So the proxy has the first core for itself; the bystanders (another client, and what it is served by) and
 * the attack (attacker, and the backend it is aimed at) share the second, where the bystanders go first: in the real-time class they never wait
 * for the attack, which takes all that they leave of the core. The proxy is not in that class: Linux takes the processor from a thread of it
 * that is busy for 950 ms, for 50 ms, and until then the garbage collector's helper would wait. It only goes before other work of the machine.
 */
export type Seat = 'proxy' | 'bystander' | 'attack';

const words: Readonly<Record<Seat, readonly string[]>> = {
  proxy: ['taskset', '-c', '0', 'nice', '-n', '-15'],
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

/** A command line in its seat. */
export function seat(who: Seat, command: readonly string[]): readonly [string, readonly string[]] {
  const [first, ...rest] = seated ? [...words[who], ...command] : command;
  return [first!, rest];
}
