import { runGroup } from './runner/run.ts';

runGroup('backend-tls');
runGroup('client-certificates');
