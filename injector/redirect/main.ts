import { spawnSync } from 'node:child_process';
import { redirectionOf } from './arguments.ts';
import { familiesOf, redirectRules, type Family } from './rules.ts';

/** The init container: writes the rules of one Pod's network, once, and ends. No shell takes part. */

const programs: Readonly<Record<Family, { readonly save: string; readonly restore: string }>> = {
  IPv4: { save: 'iptables-save', restore: 'iptables-restore' },
  IPv6: { save: 'ip6tables-save', restore: 'ip6tables-restore' },
};

function run(program: string, args: readonly string[], input: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8', timeout: 10_000 });
  if (error !== undefined) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw new Error(`${program} ended with status ${status}: ${stderr.trim()}`);
  return stdout;
}

try {
  const redirection = redirectionOf(process.argv.slice(2));
  for (const family of familiesOf(process.env['POD_IPS'] ?? '')) {
    const { save, restore } = programs[family];
    const rules = redirectRules(redirection, family, run(save, ['-t', 'nat'], ''));
    run(restore, ['--noflush', '--wait=5'], rules);
    process.stdout.write(`${JSON.stringify({ message: 'redirected', family, rules: rules.split('\n').filter((line) => line.startsWith('-A')) })}\n`);
  }
} catch (error) {
  process.stderr.write(`${JSON.stringify({ message: 'could not redirect the TCP of this Pod', error: error instanceof Error ? error.message : String(error) })}\n`);
  process.exitCode = 1;
}
