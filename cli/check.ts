import { InvalidArgumentError, Option, type Command } from 'commander';
import { rootNamespace } from '#controller';
import { Observer } from './check/observer.ts';
import { runChecks } from './check/run.ts';
import type { CheckResult } from './check/types.ts';
import { connect, type ClusterOptions } from './cluster/connect.ts';
import type { CliEnvironment } from './environment.ts';
import { clusterOptions, failWith, outputOption } from './options.ts';
import { printable } from './table.ts';

interface CheckOptions extends ClusterOptions {
  readonly pre?: true;
  readonly ready?: true;
  readonly wait?: number;
  readonly controlPlane: string;
  readonly verbose?: true;
  readonly output?: 'json';
}

/** `weft check`: is a cluster ready for Weft (`--pre`), or is Weft well in it. Exit status 1 where a check failed; warnings leave it 0. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program.command('check').description('Check a cluster: that Weft is well in it, or with --pre that it can be installed; says what to do');
  clusterOptions(command)
    .option('--pre', 'before the installation: is everything there that Weft needs, and may you install it')
    .addOption(new Option('--ready', 'only what new Pods need: is the control plane up, and does the webhook answer').conflicts('pre'))
    .addOption(new Option('--wait <duration>', 'where a check fails, try again for so long, such as 90s or 5m').argParser(waitOf).conflicts('pre'))
    .option('--control-plane <namespace>', 'where Weft is, or is to be, installed', rootNamespace)
    .option('-v, --verbose', 'say what was found also where a check passed')
    .addOption(outputOption())
    .action(async (options: CheckOptions) => {
      try {
        const connection = await connect(options, environment);
        const which = options.pre === true ? 'pre' : options.ready === true ? 'ready' : 'post';
        const until = environment.now() + (options.wait ?? 0);
        let results = await look();
        while (countOf(results, 'failed') > 0 && environment.now() < until) {
          await new Promise((resolve) => setTimeout(resolve, againMs));
          results = await look();
        }
        const failures = countOf(results, 'failed');
        if (options.output === 'json') environment.out(`${JSON.stringify({ passed: failures === 0, checks: results }, null, 2)}\n`);
        else environment.out(printable(resultsText(results, options.verbose === true ? 'all' : 'notable')));
        environment.exitStatus(failures === 0 ? 0 : 1);

        function look(): Promise<readonly CheckResult[]> {
          return runChecks(new Observer(connection, { controlPlane: options.controlPlane, now: environment.now }), which);
        }
      } catch (error) {
        failWith(error, environment);
      }
    });
}

/** From a look that found a fault to the next. Milliseconds. */
const againMs = 500;

/** Milliseconds. */
function waitOf(text: string): number {
  const [, count, unit] = /^([0-9]{1,4})(s|m)$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('write seconds or minutes, such as 90s or 5m.');
  return Number(count) * (unit === 'm' ? 60_000 : 1000);
}

function countOf(results: readonly CheckResult[], what: CheckResult['result']): number {
  return results.filter(({ result }) => result === what).length;
}

const signs: Readonly<Record<CheckResult['result'], string>> = { ok: '✔', warning: '!', failed: '✘', skipped: '-' };

function resultsText(results: readonly CheckResult[], detail: 'all' | 'notable'): string {
  const lines = results.flatMap((each) => {
    const head = `${signs[each.result]} ${each.id}: ${each.claim}`;
    if (each.result === 'ok') return [detail === 'all' ? `${head} (${each.message})` : head];
    if (each.result === 'skipped') return [`${head}: skipped, ${each.message}`];
    return [head, `    ${each.message}`, `    → ${each.remedy}`];
  });
  return `${lines.join('\n')}\n${countOf(results, 'ok')} passed, ${countOf(results, 'warning')} ${countOf(results, 'warning') === 1 ? 'warning' : 'warnings'}, ${countOf(results, 'failed')} failed, ${countOf(results, 'skipped')} skipped\n`;
}
