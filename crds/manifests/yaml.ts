import type { DocumentOptions, ParseOptions, ScalarTag, SchemaOptions, Tags } from 'yaml';

/** YAML 1.1's words for booleans as kubectl reads them: without the single letters. */
const words: readonly ScalarTag[] = [
  { default: true, tag: 'tag:yaml.org,2002:bool', test: /^(?:[Yy]es|YES|[Tt]rue|TRUE|[Oo]n|ON)$/, resolve: () => true },
  { default: true, tag: 'tag:yaml.org,2002:bool', test: /^(?:[Nn]o|NO|[Ff]alse|FALSE|[Oo]ff|OFF)$/, resolve: () => false },
];

/** Types that YAML 1.1 has and JSON (and so Kubernetes) has not: base-60 numbers, times, sets, ordered maps, bytes. */
const foreign = new Set(['binary', 'omap', 'pairs', 'set', 'timestamp', 'bool'].map((name) => `tag:yaml.org,2002:${name}`));

function kubernetesTags(tags: Tags): Tags {
  const kept = tags.filter((tag) => typeof tag === 'string' || !(foreign.has(tag.tag) || ('format' in tag && tag.format === 'TIME')));
  return [...kept, ...words];
}

/**
 * YAML as `kubectl` takes it, which is YAML 1.1: `yes` and `on` are booleans, `<<` merges. Keys are strings. That keys are
 * unique is checked in `documents.ts`, because the library's own check takes time that grows with the square of their number.
 */
export const yamlOptions: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.1',
  customTags: kubernetesTags,
  stringKeys: true,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
};

/** Of the text of one file, in UTF-16 units. */
export const maxFileLength = 8 * 1024 * 1024;
export const maxDepth = 100;
export const maxAliases = 100;
/** Problems reported for one document that is no YAML. */
export const maxSyntaxProblems = 5;
