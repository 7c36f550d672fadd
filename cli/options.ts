import { Option, type Command } from 'commander';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './explain/place.ts';
import { printable } from './table.ts';

/** `-f PATH…`: files or folders of manifests. */
export function pathsOption(): Option {
  return new Option('-f, --file <path...>', 'files or folders of YAML').makeOptionMandatory();
}

/** The same for commands that also take an argument, which a list of paths would swallow: `-f PATH -f PATH`. */
export function pathOption(): Option {
  return new Option('-f, --file <path>', 'a file or folder of YAML; may be repeated').argParser((path: string, all: string[] | undefined) => [...(all ?? []), path]);
}

/** `--kubeconfig`, `--context`: which cluster. */
export function clusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'the cluster to ask; else that of KUBECONFIG, of ~/.kube/config, or the one around this Pod')
    .option('--context <name>', 'a context of the kubeconfig; the current one unless given');
}

/** Manifests by `-f PATH`, or a cluster. */
export function sourceOptions(command: Command, file: Option): Command {
  file.description += '; a cluster is read where absent';
  return clusterOptions(command.addOption(file.makeOptionMandatory(false)));
}

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'machine-readable output').choices(['json']);
}

/** A fault in the call is told in one line, with exit status 2; anything else is a fault of ours and is thrown on. */
export function failWith(error: unknown, environment: CliEnvironment): void {
  if (!(error instanceof UsageError)) throw error;
  environment.err(printable(`weft: ${error.message}\n`));
  environment.exitStatus(2);
}
