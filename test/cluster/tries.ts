import { spawn } from 'node:child_process';

/** Until a line comes, or whoever would write it is gone (a timeout of read is above 128): creates what MANIFEST holds, for admission alone, and tells of each time in a line. */
const loop = `
while true; do
  read -r -t 0.05
  [ $? -gt 128 ] || break
  if fault=$(kubectl create -n "$NAMESPACE" --dry-run=server -o name -f - <<<"$MANIFEST" 2>&1 >/dev/null); then echo admitted; else echo "refused: \${fault//$'\\n'/ }"; fi
done`;

/** Tries a Pod, for admission alone, one after the other, until it is told to stop; what failed. A process of its own: tests wait for commands without turning. */
export function tryOn(namespace: string, manifest: string): { stop(): Promise<{ readonly tries: number; readonly faults: readonly string[] }> } {
  const child = spawn('bash', ['-c', loop], { env: { ...process.env, NAMESPACE: namespace, MANIFEST: manifest }, stdio: ['pipe', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (told += text));
  child.stdin.on('error', () => {});
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    stop: async () => {
      child.stdin.end('stop\n');
      await closed;
      const lines = told.split('\n').filter((line) => line !== '');
      return { tries: lines.length, faults: lines.filter((line) => line !== 'admitted') };
    },
  };
}
