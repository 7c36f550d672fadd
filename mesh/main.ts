import { startMesh } from './mesh.ts';
import type { Mesh, MeshOptions } from './types.ts';

/** A whole mesh in this process, for tests and tools; fulfils when it serves. Close it with `close()` or `drain(ms)`. */
export async function createMesh(options: MeshOptions = {}): Promise<Mesh> {
  return startMesh(options, { now: () => performance.now(), wallClock: Date.now, random: Math.random });
}
