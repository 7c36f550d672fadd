import type { Command } from 'commander';
import { rootNamespace } from '#controller';
import { Observer } from './check/observer.ts';
import { runChecks } from './check/run.ts';
import type { CheckResult } from './check/types.ts';
import { connect, type ClusterOptions } from './cluster/connect.ts';
import type { CliEnvironment } from './environment.ts';
import { clusterOptions, failWith, outputOption } from './options.ts';

interface CheckOptions extends ClusterOptions {
  readonly pre?: true;
  readonly controlPlane: string;
  readonly verbose?: true;
  readonly output?: 'json';
}

/** `weft check`: is a cluster ready for Weft (`--pre`), or is Weft well in it. Exit status 1 where a check failed; warnings leave it 0. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program.command('check').description('Check a cluster: that Weft is well in it, or with --pre that it can be installed; says what to do');
  clusterOptions(command)
    .option('--pre', 'before the installation: is everything there that Weft needs, and may you install it')
    .option('--control-plane <namespace>', 'where Weft is, or is to be, installed', rootNamespace)
    .option('-v, --verbose', 'say what was found also where a check passed')
    .addOption(outputOption())
    .action(async (options: CheckOptions) => {
      try {
        const connection = await connect(options, environment);
        const observer = new Observer(connection, { controlPlane: options.controlPlane, now: environment.now });
        const results = await runChecks(observer, options.pre === true ? 'pre' : 'post');
        const failures = results.filter(({ result }) => result === 'failed').length;
        if (options.output === 'json') environment.out(`${JSON.stringify({ passed: failures === 0, checks: results }, null, 2)}\n`);
        else environment.out(resultsText(results, options.verbose === true ? 'all' : 'notable'));
        environment.exitStatus(failures === 0 ? 0 : 1);
      } catch (error) {
        failWith(error, environment);
      }
    });
}

const signs: Readonly<Record<CheckResult['result'], string>> = { ok: '✔', warning: '!', failed: '✘', skipped: '-' };

function resultsText(results: readonly CheckResult[], detail: 'all' | 'notable'): string {
  const lines = results.flatMap((each) => {
    const head = `${signs[each.result]} ${each.id}: ${each.claim}`;
    if (each.result === 'ok') return [detail === 'all' ? `${head} (${each.message})` : head];
    if (each.result === 'skipped') return [`${head}: skipped, ${each.message}`];
    return [head, `    ${each.message}`, `    → ${each.remedy}`];
  });
  const count = (result: CheckResult['result']): number => results.filter((each) => each.result === result).length;
  return `${lines.join('\n')}\n${count('ok')} passed, ${count('warning')} warnings, ${count('failed')} failed, ${count('skipped')} skipped\n`;
}
