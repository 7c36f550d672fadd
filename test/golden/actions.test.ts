import { runGroup } from './runner/run.ts';

runGroup('filters');
runGroup('time');
