import { runGroup } from './runner/run.ts';

runGroup('grpc');
runGroup('streams');
