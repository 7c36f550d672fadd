import { runGroup } from './runner/run.ts';

runGroup('mesh');
runGroup('policy');
runGroup('examples');
