import { readdirSync, readFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/** What V8's threads beside the main one give way by at first: where both want one core they get a quarter of it. Steps of nice(2). */
const behindAtFirst = 5;
/** And later: one in seventy. With less, code that is new under load would hardly ever be compiled. */
const behindLater = 19;
/** What is run often has been compiled by then, also where the core was never idle. Milliseconds. */
const compiledMs = 30_000;

/** To be called once, when the process starts. `afterMs`: when helpers go further behind. */
export function prepareV8(afterMs: number = compiledMs): void {
  collectLessOften();
  putHelpersBehind(behindAtFirst);
  setTimeout(() => putHelpersBehind(behindLater), afterMs).unref();
}

/**
 * The heap may double, what it counts besides (buffers, sockets) included, before all of it is looked through for garbage. By itself V8 begins
 * when some 8 MiB have come, which an attack brings in a fraction of a second, again and again; each time everybody waits for 5 to 10 ms.
 * NODE_OPTIONS does not take this option. What it costs in memory: docs/reliability.md.
 */
function collectLessOften(): void {
  setFlagsFromString('--heap-growing-percent=100');
}

/**
 * Where a container has one core, requests wait for as long as V8 compiles or collects beside them, up to a tick of the kernel at a time, unless
 * the thread that serves goes first. What that thread itself waits for it sleeps for, which leaves the core to them. Of what else runs on the
 * machine the scheduler asks the container's weight, not that of its threads. Linux takes a thread's id for a process's (setpriority(2)); where
 * there is no /proc, or it is refused, all stay equal.
 */
function putHelpersBehind(steps: number): void {
  try {
    const priority = Math.min(getPriority() + steps, constants.priority.PRIORITY_LOW);
    for (const thread of readdirSync('/proc/self/task')) {
      if (readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').includes('V8Worker')) setPriority(Number(thread), priority);
    }
  } catch {
    // They are told apart by a name that Node does not document.
  }
}
