/**
 * `WEFT_SEED`: the seed of all properties, so that what a run found comes again in the next (`.ci/run` gives each commit its own). Without it
 * each run has new ones; a failure names its seed either way.
 */
const { WEFT_SEED: seed } = process.env;
if (seed !== undefined) {
  if (!/^\d{1,10}$/.test(seed)) throw new Error(`WEFT_SEED is ${JSON.stringify(seed)}: a whole number is wanted, such as 745660844`);
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({ seed: Number(seed) | 0 });
}
