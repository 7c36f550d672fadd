import { setFlagsFromString } from 'node:v8';

/**
 * To be called once, when the process starts: V8's heap may then double, what it counts besides (buffers, sockets) included, before all of it
 * is looked through for garbage. By itself V8 begins when some 8 MiB have come, which an attack brings in a fraction of a second, again and
 * again; each time everybody waits for 5 to 10 ms. NODE_OPTIONS does not take this option. What it costs in memory: docs/reliability.md.
 */
export function collectLessOften(): void {
  setFlagsFromString('--heap-growing-percent=100');
}
