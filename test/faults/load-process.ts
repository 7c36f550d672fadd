import { load, type LoadOptions, type Place } from './rig.ts';

/** `node load-process.ts <place> <options>`: the load of `rig.ts` from a process of its own, which may be in another network. Tells outcomes. */

const [place = '{}', options = '{}'] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await load(JSON.parse(place) as Place, JSON.parse(options) as LoadOptions)));
