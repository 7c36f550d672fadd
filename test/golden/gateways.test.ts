import { runGroup } from './runner/run.ts';

runGroup('status');
runGroup('tls');
runGroup('backends');
runGroup('listener-sets');
