import { spawn } from 'node:child_process';
import { later } from './cluster.ts';

/** Tries a Pod, for admission alone, one after the other, until it is told to stop; what failed. */
export function tryOn(namespace: string, manifest: string): { stop(): Promise<{ readonly tries: number; readonly faults: readonly string[] }> } {
  let going = true;
  const faults: string[] = [];
  let tries = 0;
  const once = (): Promise<void> =>
    new Promise((resolve) => {
      const child = spawn('kubectl', ['create', '-n', namespace, '--dry-run=server', '-o', 'name', '-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
      let fault = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (fault += text));
      child.once('close', (code) => {
        tries += 1;
        if (code !== 0) faults.push(fault);
        resolve();
      });
      child.stdin.end(manifest);
    });
  const lane = (async () => {
    while (going) {
      await once();
      await later(50);
    }
  })();
  return {
    stop: async () => {
      going = false;
      await lane;
      return { tries, faults };
    },
  };
}
