/** A proxy whose turns come when the test wants them. */
export interface Stopped<Rig> {
  readonly rig: Rig;
  /** Lets everybody have one turn. */
  turn(): void;
  /** From now on turns come by themselves. */
  goOn(): void;
}

/** What is begun gets a `setImmediate` that waits. */
export async function stopped<Rig>(begin: () => Promise<Rig>): Promise<Stopped<Rig>> {
  const real = globalThis.setImmediate;
  const due: (() => void)[] = [];
  let isFree = false;
  globalThis.setImmediate = ((callback: () => void) => (isFree ? real(callback) : due.push(callback))) as unknown as typeof setImmediate;
  const begun = begin();
  globalThis.setImmediate = real;
  const turn = (): void => {
    for (const callback of due.splice(0)) callback();
  };
  return {
    rig: await begun,
    turn,
    goOn: () => {
      isFree = true;
      turn();
    },
  };
}
