import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { defaultInjection, readInjectionConfig, type InjectionConfig } from '#injector';
import { parse } from 'yaml';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './explain/place.ts';
import { injectManifests } from './inject/manifests.ts';
import { failWith, pathsOption } from './options.ts';
import { printable } from './table.ts';

interface Options {
  readonly file: string[];
  readonly namespace: string;
  readonly config?: string;
}

/** `weft inject`: manifests with the sidecar added, for clusters where no webhook may run, and to see what the webhook would do. */
export function register(program: Command, environment: CliEnvironment): void {
  program
    .command('inject')
    .description('Print manifests with the sidecar added to their Pods (Pod, Deployment, StatefulSet, DaemonSet, Job, CronJob, …)')
    .addOption(pathsOption().default([] as string[]).makeOptionMandatory(false))
    .option('-n, --namespace <name>', 'namespace of objects that name none', 'default')
    .option('--config <file>', "the installation's injection.yaml (ConfigMap weft-injection); the chart's defaults where absent")
    .action(async (options: Options) => {
      try {
        const config = options.config === undefined ? defaultInjection : await readConfig(options.config);
        const paths = options.file.length > 0 ? options.file : ['-'];
        const texts = await Promise.all(paths.map((path) => read(path)));
        const { output, notes, faults } = injectManifests(texts.join('\n---\n'), options.namespace, config);
        for (const line of [...notes, ...faults]) environment.err(printable(`${line}\n`));
        // Nothing is printed then: half of the manifests in `kubectl apply` would be worse than none.
        if (faults.length > 0) environment.exitStatus(1);
        else environment.out(output);
      } catch (error) {
        failWith(error, environment);
      }
    });
}

async function read(path: string): Promise<string> {
  try {
    return path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readConfig(path: string): Promise<InjectionConfig> {
  let raw: unknown;
  try {
    raw = parse(await read(path));
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const config = readInjectionConfig(raw);
  if (!config.ok) throw new UsageError(config.error.map((fault) => `${path}: ${fault}`).join('\n      '));
  return config.value;
}
