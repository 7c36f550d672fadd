import { runGroup } from './runner/run.ts';

runGroup('ingress');
runGroup('imports');
