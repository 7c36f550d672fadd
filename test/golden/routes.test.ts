import { runGroup } from './runner/run.ts';

runGroup('matching');
runGroup('precedence');
runGroup('hostnames');
runGroup('listeners');
