/** One process's page. */
export interface WorkerPage {
  readonly worker: string;
  /** Prometheus' text format, version 0.0.4, as `createExposition` writes it. */
  readonly text: string;
}

interface Family {
  readonly head: string[];
  readonly samples: string[];
}

/** One page of the pages of several processes: every sample with the label `worker`, the lines of a family together. */
export function mergePages(pages: readonly WorkerPage[]): string {
  const families = new Map<string, Family>();
  for (const { worker, text } of pages) addPage(families, worker, text);
  let merged = '';
  for (const { head, samples } of families.values()) merged += `${[...head, ...samples].join('\n')}\n`;
  return merged;
}

function addPage(families: Map<string, Family>, worker: string, text: string): void {
  let family: Family | undefined;
  let isNew = false;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const about = /^# (HELP|TYPE) (\S+)/.exec(line);
    if (about === null) {
      if (!line.startsWith('#')) family?.samples.push(labelled(line, worker));
      continue;
    }
    const name = about[2]!;
    if (about[1] === 'HELP' || !families.has(name)) {
      isNew = !families.has(name);
      if (isNew) families.set(name, { head: [], samples: [] });
      family = families.get(name);
    }
    if (isNew) family?.head.push(line);
  }
}

function labelled(line: string, worker: string): string {
  const brace = line.indexOf('{');
  const space = line.indexOf(' ');
  if (brace >= 0 && brace < space) return `${line.slice(0, brace)}{worker="${worker}",${line.slice(brace + 1)}`;
  return `${line.slice(0, space)}{worker="${worker}"}${line.slice(space)}`;
}
